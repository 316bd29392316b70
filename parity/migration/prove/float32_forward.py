"""How much float32 costs each of two models: its float32 outputs against its own float64 ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.prove.outputs import OutputArrays, float_outputs
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import Comparison, compare
from parity.numerics.tolerance import Roundings, derive_limits
from parity.workers.worker import Worker

PERTURBED_RUNS = 3  # one run alone may stay near by chance


def float32_outputs(pair: RecordedPair, inputs: Arrays) -> dict[str, Comparison]:
    """Run both models in float32 with the weights of the alignment.

    Args:
        pair: aligned, in float64.
        inputs: by `input_keys`, channels last.

    Returns:
        By framework, its float32 outputs against its float64 ones, within the larger of the limits derived from what
        float32 rounding of weights and inputs does to either model; empty of models without such outputs.

    Raises:
        WorkerError: a model does not build or run in float32.
    """

    def exact_and_moved(worker: Worker) -> list[OutputArrays]:
        made = [float_outputs(worker.run_model(pair.name, inputs))]
        for run in range(PERTURBED_RUNS):
            roundings = Roundings([pair.seed, run, *worker.framework.encode()])
            pair.give(worker.framework, roundings)
            made.append(float_outputs(worker.run_model(pair.name, inputs, roundings)))
        pair.give(worker.framework)
        return made

    made = pair.workers.map(exact_and_moved)
    exact = {framework: outputs[0] for framework, outputs in made.items()}
    moved = [{framework: outputs[run] for framework, outputs in made.items()} for run in range(1, PERTURBED_RUNS + 1)]
    single = replace(pair, specs={name: replace(spec, dtype="float32") for name, spec in pair.specs.items()})
    single.title_suffix = " in float32"
    single.open(draw=False)
    single.opened = pair.opened  # the laws of the weights, which follow from how the float64 models were built
    single.draw()
    for _ in range(pair.calling):
        single.workers[SECOND].try_next_calling(single.name)
    single.move()
    rounded = {
        framework: float_outputs(single.workers[framework].run_model(single.name, inputs))
        for framework in (FIRST, SECOND)
    }
    single.forget()
    names = [name for name in exact[FIRST] if name in exact[SECOND] and exact[FIRST][name].size]
    if not names:
        return {}  # whole numbers, or zeros everywhere
    limits = {
        name: float(np.max([derive_limits(_of(exact[side], names), runs)[name] for side, runs in _runs(moved, names)]))
        for name in names
    }
    return {side: compare(_of(exact[side], names), _of(rounded[side], names), limits) for side in (FIRST, SECOND)}


def _of(arrays: OutputArrays, names: Sequence[str]) -> Arrays:
    return {name: arrays[name].astype(np.float64) for name in names}


def _runs(moved: Sequence[dict[str, OutputArrays]], names: Sequence[str]) -> list[tuple[str, list[Arrays]]]:
    return [(side, [_of(run[side], names) for run in moved]) for side in (FIRST, SECOND)]
