"""What two models give with the weights that each of them has, on real and on designed inputs."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from parity.migration.align.closeness import UNIT_ROUNDOFF, Closeness, coarsest
from parity.migration.align.recorded_pair import Outputs, RecordedPair
from parity.migration.own_weights.arrays import expected_array
from parity.migration.prove.impact import real_inputs
from parity.migration.prove.inputs import InputSet, designed_inputs
from parity.migration.prove.outputs import OutputGap, compare_outputs, paired
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.tolerance import Roundings
from parity.records.migrations import OwnArray
from parity.workers.errors import WorkerError
from parity.workers.worker import Worker

TOP = 5


@dataclass
class OwnOutputs:
    """How the outputs of two models with their own weights compare.

    Attributes:
        real: the inputs as the models get them.
        gaps: of each set of inputs that models are made for, by its name.
        sets: how many sets of inputs were run.
        missing: sets that could not be run, one line each.
        top: of how many of the real inputs the largest class is the same, and the five largest ones are; None where
            outputs are no classes, or fewer.
    """

    real: InputSet
    gaps: dict[str, OutputGap] = field(default_factory=dict)
    sets: int = 0
    missing: list[str] = field(default_factory=list)
    top: tuple[int | None, int | None] = (None, None)

    @property
    def elements(self) -> int:
        """How many numbers were compared."""
        return sum(gap.elements for gap in self.gaps.values())

    @property
    def worst(self) -> OutputGap | None:
        """The gap that is largest in units of its limit, one that is over it first."""
        return worst_of(self.gaps.values())

    @property
    def differing(self) -> dict[str, OutputGap]:
        """Where the outputs differ."""
        return {name: gap for name, gap in self.gaps.items() if not gap.equal}


class OwnRuns:
    """Both models of a pair with their own weights.

    Args:
        pair: aligned.
        own: by framework, the arrays that its model has.
        arrays: how these compare.
        rounded: whether something is computed in float32 whatever the model's precision is.
        mapped: whether every array has a counterpart under a map that is proven; else weights may have been computed
            from those of the other model, as a batch norm is folded, and rounded to float32 then.
    """

    def __init__(
        self,
        pair: RecordedPair,
        own: Mapping[str, Arrays],
        arrays: Sequence[OwnArray],
        *,
        rounded: bool = False,
        mapped: bool = True,
    ) -> None:
        self.pair, self.arrays = pair, arrays
        self.own = {  # in the types of the models as they were aligned
            framework: {name: own[framework][name] for name, fact in model.arrays.items() if "float" in fact["dtype"]}
            for framework, model in pair.opened.items()
        }
        close = Closeness("float32") if rounded and not pair.close.derived else pair.close
        kinds = {one.rounding for one in arrays if one.rounding} | (set() if mapped else {"float32"})
        self.close = Closeness(close.precision, coarsest(sorted(kinds))) if kinds else close
        self.computed = not mapped

    def outputs(self) -> OwnOutputs:
        """Run both models and compare.

        Returns:
            The comparison; the models then have the weights again that were drawn for them.
        """
        found = OwnOutputs(real_inputs(self.pair))
        sets = [found.real, *designed_inputs(self.pair.specs[FIRST].inputs, self.pair.seed, self.pair.images, 2)]
        batches: list[tuple[InputSet, InputSet, dict[str, Outputs]]] = []
        agreements: list[tuple[int | None, int | None]] = []
        self._write(self.own)
        for inputs in sets:
            if inputs.enlarged > 1:
                continue
            try:
                made = [(inputs, batch, self.pair.outputs(batch.arrays)) for batch in inputs.batches()]
            except WorkerError as error:
                found.missing.append(f"{inputs.name}: {error.detail.splitlines()[0]}")
                continue
            batches += made
            found.sets += 1
            if inputs is found.real:
                agreements = [agreement(outputs, self.pair.sequences_turned) for _, _, outputs in made]

        @functools.cache
        def moved(run: int) -> list[dict[str, Outputs]]:
            return self._moved(run, [batch.arrays for _, batch, _ in batches])

        def moved_batch(index: int, run: int) -> dict[str, Outputs]:
            return moved(run)[index]

        gaps: dict[str, list[OutputGap]] = {}
        for index, (inputs, _, outputs) in enumerate(batches):
            if inputs.typical:
                again = functools.partial(moved_batch, index)
                gap = compare_outputs(outputs, self.pair.sequences_turned, again, self.close)
                gaps.setdefault(inputs.name, []).append(gap)
        for name, parts in gaps.items():
            worst = worst_of(parts)
            assert worst is not None
            found.gaps[name] = replace(worst, elements=sum(gap.elements for gap in parts))
        found.top = _total(agreements, 0), _total(agreements, 1)
        for framework in (FIRST, SECOND):
            self.pair.give(framework)
        return found

    def _write(self, arrays: Mapping[str, Arrays]) -> None:
        self.pair.workers.map(lambda worker: worker.write_arrays(self.pair.name, arrays[worker.framework]))

    def _moved(self, run: int, batches: Sequence[Arrays]) -> list[dict[str, Outputs]]:
        """Outputs with weights and inputs moved by rounding, also by that which tells arrays of both models apart."""
        sizes = {name: Roundings(self._seed(name, run), self.close.rounding, self.close.sums) for name in self.own}
        self._write({FIRST: self._moved_first(sizes[FIRST]), SECOND: self._moved_second(sizes[SECOND], run)})

        def outputs(inputs: Arrays, worker: Worker) -> Outputs:
            return worker.run_model(self.pair.name, inputs, sizes[worker.framework])

        made = [self.pair.workers.map(functools.partial(outputs, inputs)) for inputs in batches]
        self._write(self.own)
        return made

    def _seed(self, framework: str, run: int) -> list[int]:
        return [self.pair.seed, run, *framework.encode()]

    def _moved_first(self, roundings: Roundings) -> Arrays:
        return {name: roundings.of(name, array, index) for index, (name, array) in enumerate(self.own[FIRST].items())}

    def _moved_second(self, roundings: Roundings, run: int) -> Arrays:
        """As the first model's, by its names: of kernels by as much as its sums are rounded."""
        first = self._moved_first(roundings)
        pieces = self.pair.alignment.pieces
        states = {one.name: one for one in self.arrays}
        made = {}
        for index, (name, held) in enumerate(self.own[SECOND].items()):
            state = states.get(name)
            shares = any(term.source not in first for piece in pieces.get(name, ()) for term in piece.terms)
            if state is None or state.state == "other" or shares:
                made[name] = roundings.of("", held, index)
            else:
                made[name] = expected_array(pieces, name, first, held.shape)
            kind = state.rounding if state is not None and state.rounding else "float32" if self.computed else ""
            if kind:
                further = Roundings(self._seed(name, run), UNIT_ROUNDOFF[kind], sums=False)
                made[name] = further.of("", made[name], index)
        return made


def worst_of(gaps: Iterable[OutputGap]) -> OutputGap | None:
    """The gap that is largest in units of its limit, one that is over it first; None of none."""
    return max(gaps, key=lambda one: (not one.equal, one.gap / (one.limit or 1.0)), default=None)


def agreement(outputs: Mapping[str, Outputs], turned: bool) -> tuple[int | None, int | None]:
    """For how many inputs two models' largest class is the same, and their five largest ones in any order.

    Args:
        outputs: by framework; classes where there is one of floating-point numbers [n, c], c above 1.
        turned: as in `compare_outputs`.

    Returns:
        Both counts; None for what there is not: the second one needs more than five classes. An input of which an
        output is no number does not agree.
    """
    pairs, problem = paired(outputs, turned)
    if problem or len(pairs) != 1:
        return None, None
    _, one, other = pairs[0]
    if one.dtype.kind != "f" or one.ndim != 2 or one.shape[1] < 2:
        return None, None
    finite = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
    first = int((finite & (one.argmax(axis=1) == other.argmax(axis=1))).sum())
    if one.shape[1] <= TOP:
        return first, None
    fives = [np.sort(np.argsort(array, axis=1)[:, -TOP:], axis=1) for array in (one, other)]
    return first, int((finite & (fives[0] == fives[1]).all(axis=1)).sum())


def _total(agreements: Sequence[tuple[int | None, int | None]], which: int) -> int | None:
    counts = [one[which] for one in agreements]
    return None if not counts or None in counts else sum(count for count in counts if count is not None)
