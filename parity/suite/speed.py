"""Measure steps in the workers: without compile time, many steps a reading, the frameworks in turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from parity.catalogue.networks import network
from parity.catalogue.recipes import RECIPES, trainer_settings
from parity.data.batches import timing_arrays
from parity.data.dataset import Dataset
from parity.records.speed_records import Overhead, Speed
from parity.workers.errors import WorkerError
from parity.workers.pool import Workers
from parity.workers.worker import Worker

OWN_LOOP = "train step"  # the suite's own loop


@dataclass(frozen=True)
class Baseline:
    """A loop that the suite's own loop is compared with: the ratio to reach, and how it is measured."""

    target: float
    pairs: int = 30  # of neighbouring readings
    seconds: float = 1.0  # the least time of one reading; a call of fit has a cost of its own


@dataclass(frozen=True)
class LoopComparison:
    """A network whose training is compared with other loops."""

    network: str
    batch: int
    baselines: dict[str, dict[str, Baseline]]  # by framework and name


def _bare_loops(pairs: int) -> dict[str, dict[str, Baseline]]:
    loops = {"tensorflow": ("bare loop",), "paddle": ("bare loop", "bare loop, to_static")}
    return {framework: {name: Baseline(0.95, pairs=pairs) for name in names} for framework, names in loops.items()}


def _and_fit(baselines: dict[str, dict[str, Baseline]], **targets: float) -> dict[str, dict[str, Baseline]]:
    return {
        framework: baselines[framework] | {"Model.fit": Baseline(target, pairs=12, seconds=4.0)}
        for framework, target in targets.items()
    }


LOOP_COMPARISONS = (
    LoopComparison("resnet20_v1", 128, _and_fit(_bare_loops(pairs=30), tensorflow=1.6, paddle=1.0)),
    LoopComparison("mini_vgg", 128, _bare_loops(pairs=30)),
    LoopComparison("vgg16", 32, _bare_loops(pairs=10)),  # 40 times the arithmetic of the others
)


@dataclass(frozen=True)
class Measurement:
    """The record of one speed and its seconds a step, one for each reading; or the error that prevented it."""

    record: Speed | None
    seconds: list[float]
    error: WorkerError | None = None


@dataclass
class Stopwatch:
    """Measures in the workers, each network and kind of step once."""

    workers: Workers
    dataset: Dataset
    seed: int = 0
    full: bool = False

    def __post_init__(self) -> None:
        self.measured: dict[tuple[str, str], dict[str, Measurement]] = {}
        self.batch = 128 if self.full else 32
        self.rounds = 7 if self.full else 3
        self.reading_seconds = 1.0 if self.full else 0.4  # the least time of one reading

    def measure(self, name: str, what: str) -> dict[str, Measurement]:
        """Measure both frameworks, with readings in turns, A B A B.

        Args:
            name: of the network.
            what: "forward" or "train step".

        Returns:
            By framework.
        """
        if (name, what) not in self.measured:
            self.measured[name, what] = self._measure(name, what)
        return self.measured[name, what]

    def _measure(self, name: str, what: str) -> dict[str, Measurement]:
        errors: dict[str, WorkerError] = {}
        started: dict[str, tuple[Speed, list[float]]] = {}
        for framework in self.workers:
            try:
                started[framework] = self._start(self.workers[framework], name, what), []
            except WorkerError as error:
                errors[framework] = error
        for _ in range(self.rounds):
            for framework, (record, seconds) in list(started.items()):
                try:
                    reading = self.workers[framework].time_steps(name, what, record.steps_per_measurement)
                    seconds.append(reading / record.steps_per_measurement)
                except WorkerError as error:
                    errors[framework] = error
                    del started[framework]
        return {framework: Measurement(*measured) for framework, measured in started.items()} | {
            framework: Measurement(None, [], error) for framework, error in errors.items()
        }

    def _start(self, worker: Worker, name: str, what: str) -> Speed:
        arrays = timing_arrays(name, worker.describe(name), self.dataset, self.batch, self.seed)
        settings = trainer_settings(RECIPES[network(name).recipe], batch=self.batch)
        begun = worker.start_timing(name, what, arrays, self.seed, settings)
        return Speed(
            network=name,
            framework=worker.framework,
            what=what,
            batch=self.batch,
            mode=begun.mode,
            precision="float32",
            device=worker.device,
            threads=worker.threads,
            steps_per_measurement=max(1, math.ceil(self.reading_seconds / begun.step_seconds)),
            first_seconds=begun.first_seconds,
        )


def overhead(
    workers: Workers, framework: str, comparison: LoopComparison, dataset: Dataset, *, seed: int = 0
) -> dict[str, Overhead]:
    """The suite's training loop against each baseline of one framework, as ratios of neighbouring readings.

    Both loops are in one worker and run in turns. Which of them is first changes from pair to pair, so that a drift of
    the machine favours neither. The worker of the other framework is stopped.

    Args:
        workers: both frameworks'.
        framework: that is measured.
        comparison: network, batch and baselines.
        dataset: images of the steps.
        seed: of weights and epoch plan.

    Returns:
        By name of the baseline.

    Raises:
        WorkerError: a loop cannot be started or timed.
    """
    workers.stop()
    worker, name = workers[framework], comparison.network
    arrays = timing_arrays(name, worker.describe(name), dataset, comparison.batch, seed)
    settings = trainer_settings(RECIPES[network(name).recipe], batch=comparison.batch)

    def start(what: str, *, beside: bool) -> float:
        return worker.start_timing(name, what, arrays, seed, settings, beside).step_seconds

    records = {}
    for what, baseline in comparison.baselines[framework].items():
        steps = math.ceil(baseline.seconds / start(OWN_LOOP, beside=False))
        start(what, beside=True)
        ratios = []
        for pair in range(baseline.pairs):
            order = (OWN_LOOP, what) if pair % 2 else (what, OWN_LOOP)
            step_seconds = {loop: worker.time_steps(name, loop, steps) for loop in order}
            ratios.append(step_seconds[what] / step_seconds[OWN_LOOP])
        records[what] = Overhead(
            network=name,
            framework=framework,
            baseline=what,
            batch=comparison.batch,
            threads=worker.threads,
            ratios=ratios,
            target=baseline.target,
        )
    return records
