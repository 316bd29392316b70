"""One pass in training mode of both models: outputs, running statistics and the gradient of every array."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.outputs import in_paddle_order, paired
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays, LazyArrays, pack, stored
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, layer_scales
from parity.numerics.tolerance import FLOAT32_ROUNDING, compare_with_limits_of_runs, derive_limits
from parity.proofs.train_mode import GRADIENT_LIMIT
from parity.weights.parts import gathered
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.scratch import Scratch

DRAWS = 8  # of weights: a ReLU that gives zeros on one of them hides the gradients before it


@dataclass(frozen=True)
class TrainingComparison:
    """What passes in training mode showed.

    Attributes:
        outputs: of the two models, with dropout's masks made of the numbers that it works on.
        statistics: running ones after the pass; None where the models have none.
        gradients: of every array that both models train; None where there is none.
        untrained: arrays that have a gradient in one of the models only: the framework that lacks it, and the array's
            name in the other one.
        unshown: arrays whose gradients or statistics are zero in both models, whatever weights were drawn.
    """

    outputs: Comparison
    statistics: Comparison | None
    gradients: Comparison | None
    untrained: tuple[tuple[str, str], ...]
    unshown: tuple[str, ...] = ()

    @property
    def problems(self) -> list[str]:
        """The arrays that only one of the models trains, one line each."""
        others = {FIRST: SECOND, SECOND: FIRST}
        return [
            f"{name} gets a gradient in {FRAMEWORKS[others[lacking]].title} only" for lacking, name in self.untrained
        ]

    @property
    def parts(self) -> list[Comparison]:
        """Those of the comparisons that there are."""
        return [part for part in (self.outputs, self.statistics, self.gradients) if part is not None]

    @property
    def passed(self) -> bool:
        """Whether all of it agrees."""
        return not self.problems and all(part.passed for part in self.parts)

    def explain(self) -> list[str]:
        """What differs, one line each."""
        return [*self.problems, *(line for part in self.parts for line in part.explain())]


Pass = Mapping[str, Mapping[str, np.ndarray]]  # groups "outputs", "statistics", "gradients" of one side


def compare_training(pair: RecordedPair, inputs: Arrays, *, rounded: bool = False) -> TrainingComparison:
    """Compare a pass in training mode with the weights of the alignment; running statistics are put back afterwards.

    What is zero in both models is compared again with other weights; the models have their own ones afterwards.

    Args:
        pair: aligned, in float64.
        inputs: by `input_keys`, channels last.
        rounded: whether something is computed in float32 only, so that limits are those of float32.

    Returns:
        The comparison.

    Raises:
        WorkerError: a model does not run in training mode.
    """
    seed = pair.seed
    try:
        found = _compared(pair, inputs, None, rounded=rounded)
        for draw in range(1, DRAWS):
            if not found.unshown or not found.passed:
                break
            pair.use_seed(seed + draw)
            again = _compared(pair, inputs, found.unshown, rounded=rounded)
            found = replace(
                again,
                statistics=_together(found.statistics, again.statistics),
                gradients=_together(found.gradients, again.gradients),
            )
    finally:
        if pair.seed != seed:
            pair.use_seed(seed)
    return found


def _compared(pair: RecordedPair, inputs: Arrays, names: Sequence[str] | None, *, rounded: bool) -> TrainingComparison:
    """One pass of each model: the outputs, and the statistics and gradients of some arrays, or of all."""
    with Scratch() as folder:
        passes = _Passes(pair, inputs, folder, names, rounded=rounded)
        outputs = passes.compared("outputs", FLOAT64_LIMIT)
        assert outputs is not None
        statistics = passes.compared("statistics", FLOAT64_LIMIT)
        gradients = passes.compared("gradients", GRADIENT_LIMIT)
        return TrainingComparison(outputs, statistics, gradients, _one_sided(passes.own), passes.unshown)


def _together(one: Comparison | None, other: Comparison | None) -> Comparison | None:
    """What two passes compared of different arrays."""
    if one is None or other is None:
        return one or other
    return Comparison((*one.gaps, *other.gaps), (*one.problems, *other.problems))


class _Passes:
    """A pass in training mode of each model, and what rounding does to it.

    The gradients of a large model are as large as the model: they are kept in files, and of the passes that are moved
    by rounding the limits are kept and not the arrays.
    """

    def __init__(
        self, pair: RecordedPair, inputs: Arrays, folder: Path, names: Sequence[str] | None, *, rounded: bool
    ) -> None:
        self._pair, self._inputs, self._folder, self._rounded = pair, inputs, folder, rounded
        self._cotangents = _cotangents(pair, inputs)
        self._limits: dict[int, dict[str, list[dict[str, float]]]] = {}  # by run and group, of each side
        self.own: dict[str, Pass] = {}
        for framework in (FIRST, SECOND):
            self.own[framework] = self._made(framework)
        first, second = self.own.values()
        common = {
            group: [name for name in first[group] if name in second[group] and (names is None or name in names)]
            for group in ("statistics", "gradients")
        }
        zero = {group: [name for name in own if not self._shown(group, name)] for group, own in common.items()}
        self.unshown = tuple(name for own in zero.values() for name in own)
        self._names = {"outputs": list(first["outputs"])} | {
            group: left for group, own in common.items() if (left := [name for name in own if name not in zero[group]])
        }
        self._scales = layer_scales(first["gradients"])

    def compared(self, group: str, limit: float) -> Comparison | None:
        """What both passes have of a group, with derived limits; None where there is nothing."""
        if group not in self._names:
            return None
        return compare_with_limits_of_runs(
            {framework: self._common(made, group) for framework, made in self.own.items()},
            max(limit, 4 * FLOAT32_ROUNDING) if self._rounded else limit,  # a gradient may depend on constants alone
            lambda run: self._limits_of_run(run)[group],
            scales=self._scales_of(group),
            most=math.inf if self._rounded else FLOAT32_ROUNDING,
        )

    def _shown(self, group: str, name: str) -> bool:
        """Whether one of the models gives an array numbers that are not zero."""
        return any(np.any(made[group][name]) for made in self.own.values())

    def _common(self, made: Pass, group: str) -> LazyArrays:
        return LazyArrays(self._names[group], made[group].__getitem__)

    def _scales_of(self, group: str) -> dict[str, float] | None:
        return {name: self._scales[name] for name in self._names[group]} if group == "gradients" else None

    def _limits_of_run(self, run: int) -> dict[str, list[dict[str, float]]]:
        if run not in self._limits:
            self._limits[run] = {group: [] for group in self._names}
            for framework, own in self.own.items():
                moved = self._made(framework, run)
                for group, limits in self._limits[run].items():
                    exact, other = self._common(own, group), self._common(moved, group)
                    limits.append(derive_limits(exact, [other], scales=self._scales_of(group)))
                del moved, other
        return self._limits[run]

    def _made(self, framework: str, run: int | None = None) -> Pass:
        """A pass, by TensorFlow's names and in its order of axes; moved by rounding where a run is given."""
        pair = self._pair
        roundings = None if run is None else pair.roundings(framework, run)
        if roundings is not None and self._rounded:
            roundings = replace(roundings, size=FLOAT32_ROUNDING)
        given = pack(inputs=self._inputs, cotangents=_numbered(self._cotangents[framework]))
        pair.give(framework, roundings)
        result = pair.workers[framework].run_training_pass(pair.name, given, roundings)
        pair.give(framework)
        made: dict[str, Mapping[str, np.ndarray]] = {
            "outputs": _numbered(result.outputs),
            "statistics": result.statistics,
            "gradients": result.gradients if run is not None else self._kept(framework, result.gradients),
        }
        if framework == FIRST:
            return made
        return {
            "outputs": {
                name: next(one for one in (array, np.moveaxis(array, 1, -1)) if one.shape == reference.shape)
                for name, array in made["outputs"].items()
                for reference in [self.own[FIRST]["outputs"][name]]
            },
            "statistics": _as_first(pair, made["statistics"]),
            "gradients": _as_first(pair, made["gradients"]),
        }

    def _kept(self, framework: str, gradients: Arrays) -> LazyArrays:
        folder = self._folder / framework
        folder.mkdir()
        return stored(gradients, folder)


def _numbered(arrays: Sequence[np.ndarray]) -> Arrays:
    return {str(index): array for index, array in enumerate(arrays)}


def _cotangents(pair: RecordedPair, inputs: Arrays) -> dict[str, list[np.ndarray]]:
    """By framework, random numbers of the shapes of the outputs of floating-point numbers, in its order of axes."""
    reference = pair.outputs(inputs)
    cotangents: dict[str, list[np.ndarray]] = {FIRST: [], SECOND: []}
    draw = np.random.default_rng(pair.seed)
    others = dict(zip((path for path, _ in reference[FIRST]), (one for _, one in reference[SECOND]), strict=False))
    pairs, _ = paired(reference, pair.sequences_turned)
    for path, one, _ in pairs:
        if one.dtype.kind == "f":
            cotangent = draw.normal(size=one.shape)
            cotangents[FIRST].append(cotangent)
            cotangents[SECOND].append(in_paddle_order(cotangent, one, others[path], pair.sequences_turned))
    return cotangents


def _as_first(pair: RecordedPair, arrays: Mapping[str, np.ndarray]) -> LazyArrays:
    """What Paddle's arrays hold of TensorFlow's, by TensorFlow's names."""
    facts, pieces = pair.opened[FIRST].arrays, pair.alignment.pieces

    def made(name: str) -> Any:
        return gathered(name, facts[name]["shape"], pieces, arrays)

    def whole(array: Any) -> bool:
        return array is not None and bool(np.isfinite(array).all())

    return LazyArrays([name for name in facts if whole(made(name))], made)


def _one_sided(own: Mapping[str, Pass]) -> tuple[tuple[str, str], ...]:
    first, second = (own[side]["gradients"] for side in (FIRST, SECOND))
    only_first = [(SECOND, name) for name in first if name not in second]
    return (*only_first, *((FIRST, name) for name in second if name not in first))
