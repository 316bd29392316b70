"""What many detections come to: rates, and how far the weakest fault stands from a correct pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from parity.records.records import Detection, Innocence


@dataclass(frozen=True)
class Rates:
    """How many of the faults that were put in were found, and how well."""

    injected: int
    caught: int
    placed: int
    named: int
    accused: int  # in which something else was accused, too


def rates_of(found: Sequence[Detection]) -> Rates:
    """Raises ValueError where nothing was injected: no rate follows from nothing."""
    if not found:
        raise ValueError("no fault was put in, so there is no rate of detection")
    return Rates(
        injected=len(found),
        caught=sum(each.caught for each in found),
        placed=sum(each.placed for each in found),
        named=sum(each.named for each in found),
        accused=sum(bool(each.accused) for each in found),
    )


def margin(found: Sequence[Detection], innocent: Sequence[Innocence]) -> float | None:
    """Orders of magnitude between the smallest gap of a fault and the largest of a correct pair, in units of limits.

    None where either is missing. A fault whose gap is not a number, or that nothing saw, is not among them.
    """
    faults = [each.severity for each in found if each.severity]
    correct = [each.severity for each in innocent if each.severity]
    return math.log10(min(faults) / max(correct)) if faults and correct else None
