"""Jobs that run before their results are needed, in real workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import psutil
import pytest

from parity.catalogue.recipes import Optimizer
from parity.suite.job_queue import JobQueue
from parity.workers.errors import WorkerError
from parity.workers.pool import Workers


def pid_of(framework: str, pair: Workers) -> int:
    pair[framework].settings()
    pid = pair[framework].pid
    assert pid is not None
    return pid


def test_a_group_stays_in_its_workers_and_another_runs_beside_it() -> None:
    meeting = threading.Barrier(2)  # which one pair alone would wait for in vain

    def meet(framework: str, pair: Workers) -> int:
        meeting.wait(120)
        return pid_of(framework, pair)

    groups = [
        {(name, turn): partial(meet if turn == 0 else pid_of, "paddle") for turn in range(2)} for name in ("a", "b")
    ]
    with JobQueue(groups, Workers, pairs=2) as results:
        assert results["a", 0] == results["a", 1] != results["b", 0] == results["b", 1]
        pids = [results["a", 0], results["b", 0]]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_an_error_reaches_who_reads_the_result_and_the_next_job_runs() -> None:
    def broken(pair: Workers) -> int:
        pair["paddle"].call("no such verb")
        return 0

    jobs: dict[str, Callable[[Workers], int]] = {"broken": broken, "whole": partial(pid_of, "paddle")}
    with JobQueue([jobs], Workers, pairs=2) as results:
        assert results["whole"] > 0
        with pytest.raises(WorkerError, match="no such verb"):
            results["broken"]
        with pytest.raises(KeyError, match="another"):
            results["another"]


def test_leaving_ends_a_job_at_work_and_begins_no_other() -> None:
    begun, other = threading.Event(), threading.Event()

    def long(pair: Workers) -> int:
        pair["paddle"].settings()
        begun.set()
        pair["paddle"].repeated_updates("lenet5", Optimizer("sgd"), 0.1, [10**9], {"gradient": np.ones(3, np.float32)})
        return 0

    def never(pair: Workers) -> int:
        other.set()
        return 0

    with JobQueue([{"long": long, "never": never}], Workers, pairs=1):
        assert begun.wait(120)
    assert not other.is_set()
