"""`parity repro`: the one layer in which two models differ, as two scripts that need numpy and a framework only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from parity.migration.diagnosis import diagnose_pair, inputs_of, layers_alone
from parity.migration.pair import FIRST, SECOND, Pair
from parity.migration.proofs import certificate, float64_forward
from parity.migration.repro_scripts import Culprit, body_of, file_name, own_layout, script
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT, distance
from parity.printable import printable
from parity.records.records import Diagnosis
from parity.runtime.graph import INPUT, UNKNOWN
from parity.runtime.targets import TargetError
from parity.system import replacing
from parity.workers.pool import Worker

BIG = 2**24  # bytes of inputs and outputs from which one image of them is kept


class NothingToReproduceError(Exception):
    """Two models of which no layer differs by itself; the message says what was found instead."""


def find_culprit(pair: Pair, layer: str = "", told: Callable[[str], None] = lambda line: None) -> Culprit:
    """Load, match, prove and diagnose; the first layer that differs by itself, or the one that is named.

    Raises NothingToReproduceError, TargetError (a layer that is unknown, or that no code is known for), WorkerError.
    """
    told("building and tracing both models")
    pair.load()
    pair.match()
    by_name = {step.name: step.name for step in (pair.graphs[FIRST].steps[m.first] for m in pair.matching.matches)}
    by_name |= {pair.steps(name)[1].name: name for name in by_name if pair.steps(name)[1].name not in by_name}
    if layer and layer not in by_name:
        some = ", ".join([*by_name][:12])
        raise TargetError(
            f"--layer {layer}: no matched layer of that name; there are {some}{', ...' * (len(by_name) > 12)}"
        )
    told("float64 forward of both models")
    inputs = pair.inputs()
    certificate(pair, inputs)
    float64_forward(pair, inputs)
    told("looking for causes, layer by layer")
    causes = diagnose_pair(pair, inputs)
    own = _by_themselves(pair, causes)
    wanted = by_name.get(layer) or next(iter(own), "")
    if wanted not in own:
        others = f"; those that do: {', '.join(own)}" if own else ""
        found = "".join(f"\n  {each.text}" for each in causes)
        what = f"layer {layer!r} does not differ by itself{others}" if layer else "no layer differs by itself"
        raise NothingToReproduceError(f"nothing to reproduce: {what}{found}")
    culprit = _culprit(pair, wanted, inputs, own[wanted])
    for framework in (FIRST, SECOND):
        body_of(culprit, framework)  # whether it can be written
    return culprit


def require_free(folder: Path) -> None:
    """Raise ValueError where a folder cannot be made."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"-o {folder}: expected a new or empty directory, found one with files in it, or a file")


def write_repro(culprit: Culprit, folder: Path, versions: dict[str, str]) -> None:
    """Write scripts, numbers and README.md; the folder appears when it is whole. Raises OSError, ValueError."""
    require_free(folder)
    folder = folder.resolve()
    arrays: Arrays = {f"input_{place}": x for place, x in enumerate(culprit.inputs)}
    for framework, step in zip((FIRST, SECOND), culprit.steps, strict=True):
        for kind, array in culprit.arrays.items():
            arrays[f"{framework}_{kind}"] = own_layout(framework, step, kind, array)
        arrays[f"{framework}_output"] = culprit.outputs[framework]
    texts = {file_name(framework): script(culprit, framework) for framework in (FIRST, SECOND)}
    texts["README.md"] = _readme(culprit, versions, arrays)
    with replacing(folder, sum(array.nbytes for array in arrays.values()) + sum(map(len, texts.values()))) as temporary:
        temporary.mkdir()
        np.savez(temporary / "repro.npz", **arrays)  # type: ignore[arg-type]
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")


def _by_themselves(pair: Pair, causes: Sequence[Diagnosis]) -> dict[str, str]:
    """The matched layers that differ when run alone, in order, each with what is known of why."""
    known = {each.stage: each for each in reversed(causes)}
    found = {}
    for match in pair.matching.matches:
        name = pair.graphs[FIRST].steps[match.first].name
        cause = known.get(name)
        # a layer that only one model has differs by infinity, before and after
        if cause and cause.before > FLOAT64_LIMIT and np.isfinite(min(cause.before, cause.after)):
            found[name] = cause.text
        elif _shapes(pair, name, FIRST)[0] == _shapes(pair, name, SECOND)[0] != []:
            made = [_shapes(pair, name, framework)[1] for framework in (FIRST, SECOND)]
            if made[0] != made[1]:
                why = cause.text.rpartition(";")[0] if cause else ""
                found[name] = f"{why or name}; TensorFlow makes {made[0]} of the same input, Paddle {made[1]}"
    return found


def _shapes(pair: Pair, name: str, framework: str) -> tuple[list[tuple[int, ...]], tuple[int, ...]]:
    """Of what reaches a layer, none where that is unknown, and of what it makes of it; without the batch."""
    step = pair.steps(name)[(FIRST, SECOND).index(framework)]
    steps, whole = pair.graphs[framework].steps, tuple(pair.wanted[framework].input)
    known = all(source != UNKNOWN for source in step.inputs)
    return [steps[source].output if source != INPUT else whole for source in step.inputs] if known else [], step.output


def _culprit(pair: Pair, name: str, inputs: np.ndarray, cause: str) -> Culprit:
    fed = inputs_of(pair, [name], inputs)
    outputs = {framework: alone[name] for framework, alone in layers_alone(pair, fed).items()}
    xs = list(fed.values())
    one, other = outputs[FIRST], outputs[SECOND]
    if len(inputs) > 1 and sum(array.nbytes for array in [*xs, one, other]) > BIG:
        apart = np.abs(one - other).reshape(len(one), -1).max(axis=1) if one.shape == other.shape else np.zeros(1)
        image = slice(int(apart.argmax()), int(apart.argmax()) + 1)
        xs, outputs = [x[image] for x in xs], {framework: y[image] for framework, y in outputs.items()}
    arrays = {kind: array.astype("float32") for kind, array in pair.arrays(name).items()}  # drawn as float32 numbers
    steps = dict(zip((FIRST, SECOND), pair.steps(name), strict=True))

    def lines(worker: Worker) -> str:
        step = steps[worker.framework]
        return worker.write_script(step.kind, step.numbers, step.shapes)

    return Culprit(name, pair.steps(name), xs, arrays, outputs, cause, pair.each(lines))


def _readme(culprit: Culprit, versions: dict[str, str], arrays: Arrays) -> str:
    shown = {
        framework: f"{distance(culprit.outputs[other], culprit.outputs[framework]):.3e}"
        for framework, other in ((FIRST, SECOND), (SECOND, FIRST))
    }
    table = [f"| `{name}` | {' x '.join(map(str, array.shape))} | {array.dtype} |" for name, array in arrays.items()]
    return "\n".join(
        [
            f"# {printable(culprit.name)}: TensorFlow and PaddlePaddle differ",
            "",
            "One layer of a larger model, alone, in float64, on the input that reached it there and on drawn weights.",
            "",
            f"- TensorFlow {versions[FIRST]}: {printable(culprit.steps[0])}",
            f"- PaddlePaddle {versions[SECOND]}: {printable(culprit.steps[1])}",
            f"- {printable(culprit.cause)}",
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
