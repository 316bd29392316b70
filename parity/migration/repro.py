"""`parity repro`: the one layer in which two models differ, as two scripts that need numpy and a framework only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from parity.catalogue.targets import TargetError
from parity.kinds.graph import INPUT, UNKNOWN
from parity.migration.diagnosis import diagnose_pair, inputs_of, layers_alone
from parity.migration.pair import ModelPair
from parity.migration.proofs import certificate, float64_forward
from parity.migration.repro_scripts import DifferingLayer, body_of, file_name, own_layout, script
from parity.migration.specs import FIRST, SECOND
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, relative_gap
from parity.printable import printable
from parity.records.records import Diagnosis
from parity.system import replacing
from parity.workers.worker import Worker

SINGLE_IMAGE_ABOVE = 2**24  # bytes of inputs and outputs from which one image of them is kept


class NothingToReproduceError(Exception):
    """No layer of the two models differs by itself; the message says what differs instead."""


def find_differing_layer(
    pair: ModelPair, layer_name: str = "", on_message: Callable[[str], None] = lambda line: None
) -> DifferingLayer:
    """Load, match, prove and diagnose a pair; return a layer that differs by itself.

    Args:
        pair: not yet loaded.
        layer_name: of the layer, in either model; without it the first that differs.
        on_message: is called with a line that says what begins.

    Returns:
        The layer with its inputs, arrays and outputs.

    Raises:
        NothingToReproduceError: no layer differs by itself, or the named one does not.
        MatchError: nothing in the two models corresponds, or a map does not fit.
        TargetError: a model does not build or run, no layer has this name, or no code for the layer is known.
        WorkerError: a worker fails.
    """
    on_message("building and tracing both models")
    pair.load()
    pair.match()
    by_name = {first_step.name: first_step.name for _, first_step, _ in pair.matched()}
    by_name |= {second.name: first.name for _, first, second in pair.matched() if second.name not in by_name}
    if layer_name and layer_name not in by_name:
        some = ", ".join([*by_name][:12])
        raise TargetError(
            f"--layer {layer_name}: no matched layer of that name; there are {some}{', ...' * (len(by_name) > 12)}"
        )
    on_message("float64 forward of both models")
    inputs = pair.inputs()
    certificate(pair, inputs)
    float64_forward(pair, inputs)
    on_message("looking for causes, layer by layer")
    causes = diagnose_pair(pair, inputs)
    differing = _layers_differing_alone(pair, causes)
    chosen = by_name.get(layer_name) or next(iter(differing), "")
    if chosen not in differing:
        others = f"; those that do: {', '.join(differing)}" if differing else ""
        explanations = "".join(f"\n  {cause.text}" for cause in causes)
        what = f"layer {layer_name!r} does not differ by itself{others}" if layer_name else "no layer differs by itself"
        raise NothingToReproduceError(f"nothing to reproduce: {what}{explanations}")
    layer = _differing_layer(pair, chosen, inputs, differing[chosen])
    for framework in (FIRST, SECOND):
        body_of(layer, framework)  # raises where it cannot be written
    return layer


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


def _layers_differing_alone(pair: ModelPair, causes: Sequence[Diagnosis]) -> dict[str, str]:
    """The matched layers that differ when run alone, in order, each with a line on the cause."""
    known = {cause.stage: cause for cause in reversed(causes)}
    differing = {}
    for name in [first_step.name for _, first_step, _ in pair.matched()]:
        cause = known.get(name)
        # the gaps of a layer that only one model has are infinite
        if cause and cause.before > FLOAT64_LIMIT and np.isfinite(min(cause.before, cause.after)):
            differing[name] = cause.text
        elif _layer_shapes(pair, name, FIRST)[0] == _layer_shapes(pair, name, SECOND)[0] != []:
            output_shapes = [_layer_shapes(pair, name, framework)[1] for framework in (FIRST, SECOND)]
            if output_shapes[0] != output_shapes[1]:
                why = cause.text.rpartition(";")[0] if cause else ""
                differing[name] = (
                    f"{why or name}; TensorFlow makes {output_shapes[0]} of the same input, Paddle {output_shapes[1]}"
                )
    return differing


def _layer_shapes(pair: ModelPair, name: str, framework: str) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """The shapes of a layer's inputs, none where one is unknown, and of its output; without the batch."""
    step = dict(zip((FIRST, SECOND), pair.steps(name), strict=True))[framework]
    steps, input_shape = pair.graphs[framework].steps, tuple(pair.specs[framework].input.shape)
    known = all(source != UNKNOWN for source in step.inputs)
    return [
        steps[source].output if source != INPUT else input_shape for source in step.inputs
    ] if known else [], step.output


def _differing_layer(pair: ModelPair, name: str, inputs: np.ndarray, cause: str) -> DifferingLayer:
    layer_inputs = inputs_of(pair, [name], inputs)
    outputs = {framework: alone[name] for framework, alone in layers_alone(pair, layer_inputs).items()}
    arrays_in = list(layer_inputs.values())
    first_output, second_output = outputs[FIRST], outputs[SECOND]
    if (
        len(inputs) > 1
        and sum(array.nbytes for array in [*arrays_in, first_output, second_output]) > SINGLE_IMAGE_ABOVE
    ):
        largest = (
            np.abs(first_output - second_output).reshape(len(first_output), -1).max(axis=1)
            if first_output.shape == second_output.shape
            else np.zeros(1)
        )
        image = slice(int(largest.argmax()), int(largest.argmax()) + 1)
        arrays_in, outputs = [x[image] for x in arrays_in], {framework: y[image] for framework, y in outputs.items()}
    arrays = {kind: array.astype("float32") for kind, array in pair.arrays(name).items()}  # drawn as float32 numbers
    steps = dict(zip((FIRST, SECOND), pair.steps(name), strict=True))

    def lines(worker: Worker) -> str:
        step = steps[worker.framework]
        return worker.write_script(step.kind, step.numbers, step.shapes)

    return DifferingLayer(name, steps, arrays_in, arrays, outputs, cause, pair.run_on_both(lines))


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
