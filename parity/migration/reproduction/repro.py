"""`parity repro`: the one layer in which two models differ, as two scripts that need numpy and a framework only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from parity.catalogue.targets import TargetError
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.explanation import explain
from parity.migration.explain.steps import all_paired
from parity.migration.prove.sets import aligned_on_sets
from parity.migration.prove.verdict import decide
from parity.migration.reproduction.repro_scripts import DifferingLayer, body_of, file_name, own_layout, script
from parity.migration.reproduction.step_alone import StepAlone, run_alone
from parity.migration.specs import FIRST, SECOND
from parity.migration.user_errors import user_errors
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, relative_gap
from parity.printable import few, printable
from parity.system import replacing
from parity.workers.worker import Worker

SINGLE_IMAGE_ABOVE = 2**24  # bytes of inputs and outputs from which one image of them is kept


class NothingToReproduceError(Exception):
    """No layer of the two models differs by itself; the message says what differs instead."""


def find_differing_layer(
    pair: RecordedPair, layer_name: str = "", on_message: Callable[[str], None] = lambda line: None
) -> DifferingLayer:
    """Put a pair together, compare it and look for causes; return a layer that differs by itself.

    Args:
        pair: not yet open.
        layer_name: of the layer, in either model; without it the first that differs.
        on_message: is called with a line that says what begins.

    Returns:
        The layer with its inputs, arrays and outputs.

    Raises:
        NothingToReproduceError: no layer differs by itself, or the named one does not.
        MatchError: a map does not fit.
        TargetError: a model does not build or run, no layer has this name, or no code for the layer is known.
        WorkerError: a worker fails.
    """
    with user_errors():
        on_message("building both models, and putting them together by their values")
        pair.open()
        sets = aligned_on_sets(pair)
        on_message(f"both models on {len(sets)} sets of inputs")
        witness = decide(pair, sets).witness
        on_message("looking for causes, layer by layer")
        inputs = witness.inputs if witness is not None else sets[0]
        pair.use_weights(inputs.enlarged)
        walked = pair.walk_again(inputs.arrays, traced=True)
        causes = explain(pair, walked, walked.partings) if witness is not None else []
        layer = _chosen(pair, causes, layer_name)
        for framework in (FIRST, SECOND):
            body_of(layer, framework)  # raises where it cannot be written
    return layer


def _chosen(pair: RecordedPair, causes: Sequence[Cause], name: str) -> DifferingLayer:
    """The named layer, or the first of those that the causes are about, that differs by itself."""
    paired, _, _ = all_paired(pair)
    steps = {FIRST: pair.graphs[FIRST].steps, SECOND: pair.graphs[SECOND].steps}
    of_causes = list(_pairs_of(causes, paired, pair))
    if name:
        named = [both for both in paired if name in (steps[FIRST][both[0]].name, steps[SECOND][both[1]].name)]
        named.sort(key=lambda both: both not in of_causes)
        if not named:
            some = few([steps[FIRST][one].name for one, _ in paired], 12)
            raise TargetError(f"--layer {name}: no matched layer of that name; there are {some}")
        tried = named
    else:
        tried = of_causes
    apart = []
    for both in tried:
        alone = run_alone(pair, *both)
        if alone is None:
            apart.append(steps[FIRST][both[0]].name)
        elif _differ(alone):
            texts = [cause.diagnosis.text for cause in causes if (cause.first, cause.second) == _steps(pair, both)]
            return _layer(pair, both, alone, "; ".join(texts))
    explanations = "".join(f"\n  {cause.diagnosis.text}" for cause in causes)
    if apart:
        raise TargetError(
            f"{few(apart)}: what the layer takes is not known, or of another form in the other model, so it cannot be "
            f"written as a script of one layer{explanations}"
        )
    if not name and causes and all(cause.first is cause.second is None for cause in causes):
        raise TargetError(f"the models differ, but in nothing that can be written as a script:{explanations}")
    others = [steps[FIRST][one].name for one, _ in of_causes if name not in (steps[FIRST][one].name, "")]
    those = f"; those that do: {few(list(dict.fromkeys(others)), 12)}" if others else ""
    what = f"layer {name!r} does not differ by itself{those}" if name else "no layer differs by itself"
    raise NothingToReproduceError(f"nothing to reproduce: {what}{explanations}")


def _steps(pair: RecordedPair, both: tuple[int, int]) -> tuple[object, object]:
    return pair.graphs[FIRST].steps[both[0]], pair.graphs[SECOND].steps[both[1]]


def _pairs_of(
    causes: Sequence[Cause], paired: Sequence[tuple[int, int]], pair: RecordedPair
) -> Iterator[tuple[int, int]]:
    """The indices of the steps that causes are about, each pair once."""
    seen: set[tuple[int, int]] = set()
    for cause in causes:
        if cause.first is None or cause.second is None:
            continue
        both = pair.graphs[FIRST].steps.index(cause.first), pair.graphs[SECOND].steps.index(cause.second)
        if both not in seen:
            seen.add(both)
            yield both


def _differ(alone: StepAlone) -> bool:
    one, other = alone.outputs[FIRST], alone.outputs[SECOND]
    return one.shape != other.shape or not relative_gap(one, other) <= FLOAT64_LIMIT


def _layer(pair: RecordedPair, both: tuple[int, int], alone: StepAlone, cause: str) -> DifferingLayer:
    steps = {framework: pair.graphs[framework].steps[i] for framework, i in zip((FIRST, SECOND), both, strict=True)}
    shapes = {framework: output.shape[1:] for framework, output in alone.outputs.items()}
    name = steps[FIRST].name
    if shapes[FIRST] != shapes[SECOND]:
        cause = f"{cause or name}; TensorFlow makes {shapes[FIRST]} of the same input, Paddle {shapes[SECOND]}"
    elif not cause:
        gap = relative_gap(alone.outputs[FIRST], alone.outputs[SECOND])
        cause = f"{name} / {steps[SECOND].name}: on the same input the outputs differ by {gap:.1e}"
    inputs, outputs = _single(alone)
    drawn = pair.workers[FIRST].read_step_arrays(pair.name, both[0])
    arrays = {kind: array.astype("float32") for kind, array in drawn.items()}  # drawn as float32 numbers

    def lines(worker: Worker) -> str:
        step = steps[worker.framework]
        return worker.write_script(step.kind, step.numbers, step.shapes)

    return DifferingLayer(name, steps, inputs, arrays, outputs, cause, pair.workers.map(lines))


def _single(alone: StepAlone) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Inputs and outputs; where they are large, those of the image that differs most."""
    one, other = alone.outputs[FIRST], alone.outputs[SECOND]
    size = sum(array.nbytes for array in [*alone.inputs, one, other])
    counts = {len(array) for array in [*alone.inputs, one, other]}
    if size <= SINGLE_IMAGE_ABOVE or len(counts) > 1 or counts == {1}:
        return alone.inputs, alone.outputs
    differs = np.abs(one - other).reshape(len(one), -1).max(axis=1) if one.shape == other.shape else np.zeros(1)
    image = slice(int(differs.argmax()), int(differs.argmax()) + 1)
    return [x[image] for x in alone.inputs], {framework: y[image] for framework, y in alone.outputs.items()}


def require_free(folder: Path) -> None:
    """Refuse a folder that is neither new nor empty.

    Args:
        folder: of the `-o` option.

    Raises:
        ValueError: it holds files, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"-o {folder}: expected a new or empty directory, found one with files in it, or a file")


def write_repro(layer: DifferingLayer, folder: Path, versions: dict[str, str]) -> None:
    """Write both scripts, `repro.npz` and README.md; the folder appears only when all are written.

    Args:
        layer: what `find_differing_layer` returned.
        folder: new or empty.
        versions: by framework.

    Raises:
        OSError: the folder cannot be written.
        ValueError: `folder` is not empty, or is a file.
    """
    require_free(folder)
    folder = folder.resolve()
    arrays: Arrays = {f"input_{index}": x for index, x in enumerate(layer.inputs)}
    for framework, step in layer.steps.items():
        for kind, array in layer.arrays.items():
            arrays[f"{framework}_{kind}"] = own_layout(framework, step, kind, array)
        arrays[f"{framework}_output"] = layer.outputs[framework]
    texts = {file_name(framework): script(layer, framework) for framework in (FIRST, SECOND)}
    texts["README.md"] = _readme(layer, versions, arrays)
    with replacing(folder, sum(array.nbytes for array in arrays.values()) + sum(map(len, texts.values()))) as temporary:
        temporary.mkdir()
        np.savez(temporary / "repro.npz", **arrays)  # type: ignore[arg-type]
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")


def _readme(layer: DifferingLayer, versions: dict[str, str], arrays: Arrays) -> str:
    shown = {
        framework: f"{relative_gap(layer.outputs[other], layer.outputs[framework]):.3e}"
        for framework, other in ((FIRST, SECOND), (SECOND, FIRST))
    }
    table = [f"| `{name}` | {' x '.join(map(str, array.shape))} | {array.dtype} |" for name, array in arrays.items()]
    return "\n".join(
        [
            f"# {printable(layer.name)}: TensorFlow and PaddlePaddle differ",
            "",
            "One layer of a larger model, alone, in float64, on the input that reached it there and on drawn weights.",
            "",
            f"- TensorFlow {versions[FIRST]}: {printable(layer.steps[FIRST])}",
            f"- PaddlePaddle {versions[SECOND]}: {printable(layer.steps[SECOND])}",
            f"- {printable(layer.cause)}",
            "",
            "```sh",
            f"pip install numpy tensorflow=={versions[FIRST]} paddlepaddle=={versions[SECOND]}",
            f"python {file_name(FIRST)}",
            f"python {file_name(SECOND)}",
            "```",
            "",
            f"The first script shows a difference of {shown[FIRST]} to PaddlePaddle's output, the second one of",
            f"{shown[SECOND]} to TensorFlow's, relative to the largest value; both about 1e-16 to what their own",
            "framework made when this was recorded. (`inf`: the shapes differ.)",
            "",
            "`repro.npz` holds (maps are NHWC, rows of flattened maps in height, width, channel order; kernels as each",
            "framework stores them):",
            "",
            "| array | shape | type |",
            "|---|---|---|",
            *table,
            "",
        ]
    )
