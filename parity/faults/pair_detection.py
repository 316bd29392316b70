"""What a comparison of a user's pair would have found: every trap put into the Paddle side of a pair that is equal.

Whether a trap changes what the model computes is decided apart from the comparison: by the Paddle model with the trap
against the one without, with the same weights, on inputs that are not those which the comparison designs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from parity.catalogue.targets import TargetError
from parity.faults.detection import severity_of
from parity.faults.pair_sites import PairFault, pair_faults, scopes_of
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.align.walk import Alignment
from parity.migration.compare import compare_pair
from parity.migration.explain.causes import UNKNOWN
from parity.migration.prove.inputs import designed_inputs
from parity.migration.specs import FIRST, SECOND, MatchError
from parity.migration.user_errors import user_errors
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, relative_gap
from parity.records.migrations import Migration
from parity.records.records import ControlRun, Detection, Diagnosis
from parity.weights.random_arrays import ENLARGED, enlarged
from parity.workers.errors import WorkerError

EFFECT = 1e3 * FLOAT64_LIMIT  # of outputs in float64

INFERENCE, TRAINING = 3, 5  # the last levels that must see a trap

FRESH = 5  # inputs of each fresh set


@dataclass(frozen=True)
class PairDetection:
    """What became of one trap.

    Attributes:
        fault: the trap and its place.
        detection: where it changes what the model computes; else None.
        effect: by how much it changes the model's outputs on fresh inputs, relative; NaN where it does not run.
        reason: why it was not put in; empty where it was.
    """

    fault: PairFault
    detection: Detection | None
    effect: float
    reason: str = ""


@dataclass
class EqualPair:
    """A pair that was found equal, and what its Paddle model gives for fresh inputs.

    Attributes:
        pair: compared, with a traced run.
        walked: how the values of that run belong together.
        training: whether a pass in training mode was compared, too.
    """

    pair: RecordedPair
    walked: Alignment
    training: bool = False
    _own: dict[str, list[np.ndarray]] = field(default_factory=dict)  # by what is run

    def effect(self, fault: PairFault) -> float:
        """By how much a trap changes what the Paddle model computes, relative to its outputs.

        Args:
            fault: the trap.

        Returns:
            The largest gap on fresh inputs, with the drawn weights, and where these show nothing with large ones;
            infinite where outputs have another shape.

        Raises:
            WorkerError: the trap cannot be put in, or the model does not run with it.
        """
        pair = self.pair
        worker, name = pair.workers[SECOND], pair.name + " with a trap"
        try:
            facts = worker.open_model(name, pair.specs[SECOND], [fault.code]).arrays
            for _ in range(pair.calling):
                worker.try_next_calling(name)
            own = pair.opened[SECOND].arrays
            pieces = {
                array: parts
                for array, parts in pair.alignment.pieces.items()
                if array in facts and facts[array]["shape"] == own[array]["shape"]
            }
            laws, gap = pair.alignment.laws, 0.0
            for what in ("training",) if fault.change.training else ("drawn", "large"):
                if gap <= self.smallest:
                    large = {key: enlarged(law) if what == "large" else law for key, law in laws.items()}
                    worker.assign_arrays(name, pieces, large, pair.seed)
                    gap = _largest(self._of_pair(what), self._given(name, what))
            return gap
        finally:
            worker.close_model(name)

    @property
    def smallest(self) -> float:
        """The gap up to which there is no effect: a comparison may take it for one of rounding."""
        return 64 * self.pair.close.rounding if self.pair.close.derived else EFFECT

    def _of_pair(self, what: str) -> list[np.ndarray]:
        """As `_given`, of the model without a trap."""
        if what not in self._own:
            self.pair.use_weights(ENLARGED if what == "large" else 1.0)
            self._own[what] = self._given(self.pair.name, what)
            self.pair.use_weights()
        return self._own[what]

    def _given(self, name: str, what: str) -> list[np.ndarray]:
        """What a model gives for the fresh inputs, in inference or in training."""
        worker = self.pair.workers[SECOND]
        if what != "training":
            return [array for inputs in fresh_inputs(self.pair) for _, array in worker.run_model(name, inputs)]
        inputs = fresh_inputs(self.pair)[0]
        outputs = [array for _, array in worker.run_model(name, inputs) if array.dtype.kind == "f"]
        draw = np.random.default_rng(0)
        cotangents = {str(index): draw.normal(size=array.shape) for index, array in enumerate(outputs)}
        made = worker.run_training_pass(name, pack(inputs=inputs, cotangents=cotangents))
        return [*made.outputs, *(made.statistics[key] for key in sorted(made.statistics))]


def fresh_inputs(pair: RecordedPair) -> list[Arrays]:
    """Inputs that no comparison designs: others are drawn, large and small ones among them, and padded sequences.

    Args:
        pair: for its models.
    """
    specs = pair.specs[FIRST].inputs
    by_name = {one.name: one.arrays for one in designed_inputs(specs, pair.seed + 1, pair.images, FRESH)}
    drawn = by_name["drawn"]
    made = [drawn]
    if any(array.dtype.kind == "f" for array in drawn.values()):
        for factor in (20, 0.002):
            made.append({key: array * factor if array.dtype.kind == "f" else array for key, array in drawn.items()})
    return [*made, *(by_name[name] for name in ("special ids", "padding at the end") if name in by_name)]


def _largest(expected: Sequence[np.ndarray], actual: Sequence[np.ndarray]) -> float:
    if len(expected) != len(actual):
        return float("inf")
    return max((_gap(one, other) for one, other in zip(expected, actual, strict=True)), default=0.0)


def _gap(one: np.ndarray, other: np.ndarray) -> float:
    """The gap of the numbers that are finite; infinite where others are, or of other shapes."""
    if one.shape != other.shape or one.dtype.kind != "f":
        return 0.0 if np.array_equal(one, other) else float("inf")
    finite = np.isfinite(one)
    if not np.array_equal(finite, np.isfinite(other)):
        return float("inf")
    return (
        0.0
        if not finite.any() or np.array_equal(one[finite], other[finite])
        else relative_gap(one[finite], other[finite])
    )


def equal_pair(pair: RecordedPair, *, training: bool = False) -> EqualPair:
    """Compare a pair, which has to be equal.

    Args:
        pair: not yet open.
        training: whether to compare a pass in training mode, too.

    Returns:
        The pair, with what is needed to put traps in.

    Raises:
        TargetError: a model cannot be built or run, or the pair is not equal.
        MatchError: a map does not fit.
        WorkerError: a worker fails.
    """
    migration = compare_pair(pair, fix=None, training=training, impact=False)
    if not migration.equal:
        why = [cause.text for cause in migration.causes] or [line for one in migration.proofs for line in one.problems]
        raise TargetError(
            f"{pair.name}: expected a pair that is equal to put traps into, found {migration.verdict!r}: "
            f"{why[0] if why else 'without a cause'}. Run `parity compare` first"
        )
    sets = designed_inputs(pair.specs[FIRST].inputs, pair.seed, pair.images)
    with user_errors():
        return EqualPair(pair, pair.walk_again(sets[0].arrays, traced=True), training)


def detect_pair(equal: EqualPair, *, traps: Sequence[str] = (), sites: int = 0) -> Iterator[PairDetection]:
    """Put every trap into the Paddle model, one at a time, and compare the pair.

    Args:
        equal: the pair.
        traps: ids, only these; all if empty.
        sites: see `parity.faults.pair_sites.pair_faults`.

    Yields:
        What became of each.

    Raises:
        WorkerError: a worker fails where no trap is at fault.
    """
    for fault in pair_faults(equal.pair, equal.walked, traps=traps, sites=sites, training=equal.training):
        yield detect_pair_fault(equal, fault)


def detect_pair_fault(equal: EqualPair, fault: PairFault) -> PairDetection:
    """Put one trap in, and compare the pair where it changes what the Paddle model computes.

    Args:
        equal: the pair; as before afterwards.
        fault: the trap.
    """
    begin = time.perf_counter()
    own = equal.pair
    try:
        with user_errors():
            effect = equal.effect(fault)
    except (TargetError, WorkerError) as error:
        return PairDetection(fault, None, float("nan"), f"does not run: {_line(error)}")
    if effect <= equal.smallest:
        return PairDetection(fault, None, effect, "changes nothing on fresh inputs")
    pair = RecordedPair(
        own.workers,
        own.specs,
        own.dataset,
        own.seed,
        own.layers,
        fixes={SECOND: fault.code},
        title_suffix=" as trapped",
    )
    try:
        migration = compare_pair(pair, fix=None, training=fault.change.training, impact=False)
    except (TargetError, MatchError) as error:
        reason = f"refused: {_line(error)}"
        return PairDetection(fault, _detection(own.name, fault, None, reason, time.perf_counter() - begin), effect)
    finally:
        pair.forget()
    return PairDetection(fault, _detection(own.name, fault, migration, "", time.perf_counter() - begin), effect)


def _detection(name: str, fault: PairFault, migration: Migration | None, said: str, seconds: float) -> Detection:
    causes = migration.causes if migration is not None else []
    different = migration is not None and migration.verdict == "different"
    proofs = migration.proofs if migration is not None else []
    failed = next((proof for proof in proofs if not proof.passed), None) if different else None
    here = [cause for cause in causes if _is_at(cause, fault)]
    training = migration.training if migration is not None and fault.change.training else []
    known = [cause for cause in here if not cause.text.endswith(UNKNOWN)]  # a list of functions names none
    says = [*(f"{cause.trap} {cause.change} {cause.text}" for cause in known), *training]
    located = bool(here) or any(fault.first and fault.first in line for line in training)
    problems = [line for proof in proofs for line in proof.problems]
    return Detection(
        network=name,
        trap=fault.change.trap,
        change=fault.change.what,
        framework=SECOND,
        stage=fault.step,
        must_level=TRAINING if fault.change.training else INFERENCE,
        level=failed.level if failed else 0,
        severity=severity_of(failed) if failed else None,
        located=located,
        named=located and any(_names(line, fault) for line in says),
        false_alarms=sorted({cause.stage for cause in causes if cause not in here}) if located else [],
        diagnosis=(here or causes)[0].text if causes else said or (problems[0] if problems else ""),
        seconds=seconds,
    )


def _is_at(cause: Diagnosis, fault: PairFault) -> bool:
    """Whether a cause is about the step, or the layer that calls it, in either model."""
    places = set(scopes_of([fault.step, fault.first, *fault.users]))
    stages = set(scopes_of([cause.stage]))
    return bool(places & stages) or f"/ {fault.step}:" in cause.text


def _names(line: str, fault: PairFault) -> bool:
    words = (*fault.change.words, fault.change.trap)
    return any(word.lower() in line.lower() for word in words)


def control_pair(pair: RecordedPair, seeds: Sequence[int], *, training: bool = False) -> ControlRun:
    """Compare a correct pair with other weights and inputs for each seed; all that is said against it is false.

    Args:
        pair: not yet open, or of another comparison.
        seeds: one comparison for each.
        training: whether to compare a pass in training mode, too.

    Raises:
        TargetError: a model cannot be built or run.
        MatchError: a map does not fit.
        WorkerError: a worker fails.
    """
    begin = time.perf_counter()
    false_alarms: list[str] = []
    worst = 0.0
    for seed in seeds:
        own = RecordedPair(pair.workers, pair.specs, pair.dataset, seed, pair.layers, title_suffix=" again")
        try:
            migration = compare_pair(own, fix=None, training=training, impact=False)
        finally:
            own.forget()
        worst = max([worst, *(severity_of(proof) or 0.0 for proof in migration.proofs)])
        said = [cause.text for cause in migration.causes]
        if not migration.equal:
            said += [problem for proof in migration.proofs for problem in proof.problems] or ["no reason"]
            said = [f"{migration.verdict}: {line}" for line in said]
        false_alarms += [f"seed {seed}: {line}" for line in said]
    return ControlRun(pair.name, list(seeds), false_alarms, worst, time.perf_counter() - begin)


def _line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
