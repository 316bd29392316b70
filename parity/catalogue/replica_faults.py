"""The faults of a training that several processes share, which the proof of replicas must see and name."""

from __future__ import annotations

from enum import StrEnum


class ReplicaFault(StrEnum):
    """The faults by name: the keys of the tables in the packages' `replica_faults.py`."""

    ADDED_UP = "gradients added up"
    DIVIDED_TWICE = "gradients divided twice"
    PARTS_ADDED_UP = "parts of a share added up"
    CUT_BEFORE_THE_REDUCTION = "cut before the reduction"
    NOT_REDUCED = "a step not reduced"
    UNEVEN_SHARES = "uneven shares"
    ONE_SHARE_FOR_ALL = "one share for all"
    STATISTICS_OF_REPLICA_0 = "statistics of replica 0"


UNREDUCED_ROW = 3  # of a plan, whose step NOT_REDUCED takes

PARTS = 4  # of a share, whose gradients PARTS_ADDED_UP adds up

NORM = 1e-3  # to which CUT_BEFORE_THE_REDUCTION cuts the gradients of each replica
