"""One pass in training mode of both models: outputs, running statistics and the gradient of every array."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.outputs import in_paddle_order, paired
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, layer_scales
from parity.numerics.tolerance import FLOAT32_ROUNDING, compare_with_derived_limits
from parity.proofs.train_mode import GRADIENT_LIMIT
from parity.weights.parts import gathered


@dataclass(frozen=True)
class TrainingComparison:
    """What a pass in training mode showed.

    Attributes:
        outputs: of the two models, with dropout's masks made of the numbers that it works on.
        statistics: running ones after the pass; None where the models have none.
        gradients: of every array that both models train; None where there is none.
        problems: arrays that only one of the models trains, one line each.
    """

    outputs: Comparison
    statistics: Comparison | None
    gradients: Comparison | None
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether all of it agrees."""
        parts = [self.outputs, self.statistics, self.gradients]
        return not self.problems and all(part.passed for part in parts if part is not None)


Pass = Mapping[str, Arrays]  # groups "outputs", "statistics", "gradients" of one side


def compare_training(pair: RecordedPair, inputs: Arrays, *, rounded: bool = False) -> TrainingComparison:
    """Compare a pass in training mode with the weights of the alignment; running statistics are put back afterwards.

    Args:
        pair: aligned, in float64.
        inputs: by `input_keys`, channels last.
        rounded: whether something is computed in float32 only, so that limits are those of float32.

    Returns:
        The comparison.

    Raises:
        WorkerError: a model does not run in training mode.
    """
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

    def passes(run: int | None) -> dict[str, Pass]:
        made: dict[str, Pass] = {}
        for framework in (FIRST, SECOND):
            roundings = None if run is None else pair.roundings(framework, run)
            if roundings is not None and rounded:
                roundings = replace(roundings, size=FLOAT32_ROUNDING)
            pair.give(framework, roundings)
            numbered = {str(index): array for index, array in enumerate(cotangents[framework])}
            given = pack(inputs=inputs, cotangents=numbered)
            result = pair.workers[framework].run_training_pass(pair.name, given, roundings)
            arrays = {str(index): array for index, array in enumerate(result.outputs)}
            made[framework] = {"outputs": arrays, "statistics": result.statistics, "gradients": result.gradients}
            pair.give(framework)
        second = made[SECOND]
        outputs = {
            name: next(a for a in (array, np.moveaxis(array, 1, -1)) if a.shape == made[FIRST]["outputs"][name].shape)
            for name, array in second["outputs"].items()
        }
        made[SECOND] = {
            "outputs": outputs,
            "statistics": _as_first(pair, second["statistics"]),
            "gradients": _as_first(pair, second["gradients"]),
        }
        return made

    own = passes(None)
    again = functools.cache(passes)

    def compared(group: str, limit: float) -> Comparison | None:
        names = [name for name in own[FIRST][group] if name in own[SECOND][group]]
        if not names:
            return None

        def sides(made: Mapping[str, Pass]) -> dict[str, Arrays]:
            return {side: {name: made[side][group][name] for name in names} for side in (FIRST, SECOND)}

        scales = layer_scales(own[FIRST][group]) if group == "gradients" else None
        if scales is not None:
            scales = {name: scales[name] for name in names}
        return compare_with_derived_limits(
            sides(own),
            max(limit, 4 * FLOAT32_ROUNDING) if rounded else limit,  # a gradient may depend on constants alone
            lambda run: sides(again(run)),
            scales=scales,
            most=math.inf if rounded else FLOAT32_ROUNDING,
        )

    outputs = compared("outputs", FLOAT64_LIMIT)
    assert outputs is not None
    return TrainingComparison(
        outputs, compared("statistics", FLOAT64_LIMIT), compared("gradients", GRADIENT_LIMIT), _one_sided(own)
    )


def _as_first(pair: RecordedPair, arrays: Arrays) -> Arrays:
    """What Paddle's arrays hold of TensorFlow's, by TensorFlow's names."""
    facts = pair.opened[FIRST].arrays
    made = {name: gathered(name, fact["shape"], pair.alignment.pieces, arrays) for name, fact in facts.items()}
    return {name: array for name, array in made.items() if array is not None and np.isfinite(array).all()}


def _one_sided(own: Mapping[str, Pass]) -> tuple[str, ...]:
    first, second = (own[side]["gradients"] for side in (FIRST, SECOND))
    only_first = [name for name in first if name not in second]
    only_second = [name for name in second if name not in first]
    lines = [f"{name} gets a gradient in TensorFlow only" for name in only_first]
    return (*lines, *(f"{name} gets a gradient in Paddle only" for name in only_second))
