"""The verdict on a pair: what the two models themselves give, on every input that was designed for them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from parity.migration.align.found import Alignment, Parting
from parity.migration.align.recorded_pair import Outputs, RecordedPair
from parity.migration.explain.explanation import explain
from parity.migration.explain.unsettled import unsettled_maps
from parity.migration.prove.inputs import InputSet, without_ties
from parity.migration.prove.outputs import OutputGap, compare_outputs, paired
from parity.migration.prove.perturbed_runs import PerturbedRuns
from parity.migration.prove.reached_infinity import infinity_reached
from parity.migration.prove.training import TrainingComparison, compare_training
from parity.migration.specs import FIRST, SECOND
from parity.numerics.comparison import relative_gap
from parity.numerics.tolerance import FLOAT32_ROUNDING
from parity.printable import few
from parity.records.records import Verdict
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS

RANKING = ("topk", "argmax", "argmin", "argsort", "sort")  # in names of operations, of either framework


@dataclass
class Outcome:
    """What one set of inputs showed.

    Attributes:
        inputs: the set.
        gap: of the outputs.
        partings: where values part, where the outputs differ.
        rounded: the places at which something is computed in float32 only, which explain the gap.
    """

    inputs: InputSet
    gap: OutputGap
    partings: list[Parting] = field(default_factory=list)
    rounded: bool = False

    @property
    def equal(self) -> bool:
        """Whether the models agree on this set."""
        return self.gap.equal or self.rounded


def outcome(pair: RecordedPair, inputs: InputSet, perturbed: PerturbedRuns, *, quick: bool = False) -> Outcome:
    """Run both models on a set of inputs, and where their outputs differ find where values part.

    Args:
        pair: aligned.
        inputs: for it; many are run in batches.
        perturbed: runs of the pair.
        quick: whether to look at the outputs alone.

    Returns:
        The outcome, of the first batch on which the outputs differ where there is one; the recorded runs of the pair
        are then those on that.

    Raises:
        WorkerError: a model does not run.
    """
    parts: list[Outcome] = []
    for batch in inputs.batches():
        parts.append(_outcome_of_batch(pair, batch, perturbed, quick=quick))
        if not parts[-1].equal:
            return parts[-1]
    if len(parts) == 1:
        return parts[0]
    worst = max(parts, key=lambda one: one.gap.gap / one.gap.limit if one.gap.limit else 0.0)
    gap = replace(worst.gap, elements=sum(one.gap.elements for one in parts))
    partings = [parting for one in parts for parting in one.partings]
    return Outcome(inputs, gap, partings, any(one.rounded for one in parts))


def _outcome_of_batch(pair: RecordedPair, inputs: InputSet, perturbed: PerturbedRuns, *, quick: bool) -> Outcome:
    turned = pair.sequences_turned
    again = functools.cache(functools.partial(perturbed.outputs, inputs))
    pair.use_weights(inputs.enlarged)
    outputs = pair.outputs(inputs.arrays)
    if inputs.enlarged > 1 and not _finite(outputs):
        # further than the models reach, which says nothing of what they are for
        return Outcome(replace(inputs, typical=False), OutputGap(True, 0.0, 0.0, ""))
    inside = None if quick else functools.partial(pair.rounded_outputs, inputs.arrays)
    moved = functools.cache(lambda: pair.outputs(without_ties(inputs.arrays, pair.seed)))
    gap = compare_outputs(outputs, turned, again, pair.close, inside, moved if _ranks(pair) else None)
    if gap.equal or quick:
        return Outcome(inputs, gap)
    walked = pair.walk_again(inputs.arrays)
    if inputs.beyond and not gap.problem and infinity_reached(pair, walked, walked.partings):
        return Outcome(replace(inputs, typical=False), gap, walked.partings)
    explained = not gap.problem and all(parting.rounding for parting in walked.partings)
    # only float64 shows what is computed in float32 whatever the model's precision is
    rounded = explained and not pair.close.derived and _agree_after(pair, turned)
    return Outcome(inputs, gap, walked.partings, rounded)


def _ranks(pair: RecordedPair) -> bool:
    """Whether both models look for the places of the largest numbers, which of equal ones are any."""
    return all(
        any(word in operation.name.lower().replace("_", "") for operation in graph.operations for word in RANKING)
        for graph in pair.graphs.values()
    )


def _finite(outputs: Mapping[str, Outputs]) -> bool:
    arrays = [array for side in outputs.values() for _, array in side if array.dtype.kind == "f"]
    return all(np.isfinite(array).all() for array in arrays)


def _agree_after(pair: RecordedPair, turned: bool) -> bool:
    """Whether the outputs agree once every value that parted was corrected."""
    outputs = {}
    for framework in (FIRST, SECOND):
        numbers = pair.graphs[framework].outputs
        values = pair.workers[framework].read_values(pair.name, [number for _, number in numbers])
        outputs[framework] = [(path, values[str(number)]) for path, number in numbers]
    pairs, problem = paired(outputs, turned)
    return not problem and all(relative_gap(one, other) <= 4 * FLOAT32_ROUNDING for _, one, other in pairs)


UNSEEN = (
    "your own inputs show nothing: the outputs are zero, or rounding of inputs and weights changes them by as much as "
    "the models differ"
)


@dataclass
class PairVerdict:
    """The verdict and what it rests on.

    Attributes:
        verdict: "equal", "different" or "undecided".
        outcomes: of every set that ran.
        missing: what could not be established, one line each.
        changed: arrays that do not hold the numbers that they were given, one line each.
        training: of a pass in training mode, where that was asked for and inference agrees.
        remarks: what the verdict does not cover, one line each.
    """

    verdict: Verdict
    outcomes: list[Outcome]
    missing: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    training: TrainingComparison | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def witness(self) -> Outcome | None:
        """The first set of typical inputs on which the models differ."""
        return next((one for one in self.outcomes if not one.equal and one.inputs.typical), None)

    @property
    def telling(self) -> list[Outcome]:
        """Where causes are looked for: on the witness, and on what differs with inputs or weights of another sort.

        Where float32 would not show the witness, also on the first set on which it would.
        """
        different = [one for one in self.outcomes if not one.equal and one.inputs.typical]
        large = [one for one in different if not one.gap.gap <= 4 * FLOAT32_ROUNDING][:1]
        return different[:1] + [one for one in different[1:] if one.inputs.apart or one in large]


def decide(pair: RecordedPair, sets: Sequence[InputSet], *, training: bool = False) -> PairVerdict:
    """Run every set and decide.

    Args:
        pair: aligned.
        sets: the first is the one on which it was aligned.
        training: whether to compare a pass in training mode, too.

    Returns:
        "different" where a typical set shows it; "equal" where every set agrees and every array took part; else
        "undecided".
    """
    outcomes, missing = [], []
    different, perturbed = False, PerturbedRuns(pair, sets)
    left_to_rounding: bool | None = None  # whether what only float64 shows has no other explanation; None: not known
    for number, inputs in enumerate(sets, 1):
        pair.on_progress(f"inputs {number} of {len(sets)}: {inputs.name}")
        try:
            outcomes.append(outcome(pair, inputs, perturbed, quick=different))
            if outcomes[-1].rounded:
                if left_to_rounding is None:
                    left_to_rounding = _nothing_else_closes(pair, inputs)
                outcomes[-1].rounded = left_to_rounding
            different |= outcomes[-1].inputs.typical and not outcomes[-1].equal
            if inputs is pair.user_inputs and not outcomes[-1].gap.elements:
                missing.append(UNSEEN)
        except WorkerError as error:
            missing.append(f"{inputs.name}: {error.detail.splitlines()[0]}")
    pair.use_weights()
    found = PairVerdict("different", outcomes, missing, _changed(pair), remarks=_remarks(pair, outcomes))
    if (witness := found.witness) is not None:
        if not witness.gap.problem and (unsettled := _unsettled(pair, witness)):
            found.missing += unsettled
            found.verdict = "undecided"
        return found
    if training and pair.close.derived:
        found.missing.append(f"a pass in training mode is compared in float64 only, and this is {pair.precision}")
    elif training and not _floating(pair):
        found.missing.append("no output is of floating-point numbers: a pass in training mode has no gradients")
    elif training:
        # what differs by a constant only is held to what float64 gives first
        rounded = any(one.rounded and any(parting.float32 for parting in one.partings) for one in outcomes)
        try:
            found.training = compare_training(pair, sets[0].arrays, rounded=rounded)
            if not found.training.passed and not rounded and any(one.rounded for one in outcomes):
                rounded = True
                found.training = compare_training(pair, sets[0].arrays, rounded=rounded)
        except WorkerError as error:
            if not error.detail.startswith("TargetError: "):
                raise
            line = error.detail.removeprefix("TargetError: ").splitlines()[0]
            found.missing.append(f"a pass in training mode, {FRAMEWORKS[error.framework].title}: {line}")
        if rounded:
            found.remarks.append(
                "a pass in training mode is held to float32's limits: some of it is computed in float32"
            )
        if found.training is not None and not found.training.passed:
            return found
        if found.training is not None and found.training.unshown:
            names = few(found.training.unshown)
            found.missing.append(
                f"gradients or statistics are zero in both models, whatever weights are drawn: {names}"
            )
    found.missing += [*_unproven(pair.alignment), *found.changed]
    if not any(one.gap.elements for one in outcomes if one.inputs.typical):
        found.missing.append("no output was compared")
    found.verdict = "undecided" if found.missing else "equal"
    return found


def _nothing_else_closes(pair: RecordedPair, inputs: InputSet) -> bool:
    """Whether small gaps are left to rounding: no other number of a layer, such as an epsilon, closes one of them."""
    pair.use_weights(inputs.enlarged)
    walked = pair.walk_again(inputs.arrays, traced=True)
    small = [parting for parting in walked.partings if not parting.float32]
    causes = explain(pair, walked, small) if small else []
    return not any(cause.number and cause.diagnosis.after <= pair.close.confirmed for cause in causes)


def _floating(pair: RecordedPair) -> bool:
    graph = pair.graphs[FIRST]
    return any(graph.values[number].floating for _, number in graph.outputs)


def _unsettled(pair: RecordedPair, witness: Outcome) -> list[str]:
    """Layers whose weight map was not found, if the outputs may differ for that reason alone."""
    pair.use_weights(witness.inputs.enlarged)
    lines = unsettled_maps(pair, witness.inputs)
    pair.use_weights()
    return lines


def _remarks(pair: RecordedPair, outcomes: Sequence[Outcome]) -> list[str]:
    """That a pair is not compared in float64, how coarse that is, and why."""
    if not pair.close.derived:
        return []
    limits = [one.gap.limit for one in outcomes if one.gap.elements and one.inputs.typical]
    size = f", up to {max(limits):.0e} of an output's scale," if limits else ""
    line = f"compared in {pair.precision} only: what differs by less than rounding{size} goes unseen"
    return [line, *pair.forced]


def _changed(pair: RecordedPair) -> list[str]:
    return [
        f"{name!r} of {FRAMEWORKS[framework].title} holds other numbers than it was given"
        for framework, names in pair.changed().items()
        for name in names
    ]


def _unproven(alignment: Alignment) -> list[str]:
    lines = []
    for side, title in ((0, "TensorFlow"), (1, "Paddle")):
        if alignment.alone[side]:
            lines.append(f"arrays of the {title} model without a counterpart: {', '.join(alignment.alone[side][:6])}")
    return lines
