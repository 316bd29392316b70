"""`parity convert`: trained weights from one framework's file to the other's, proven before the new file appears.

The two models must be equal, as `parity compare` finds it; the map between their arrays is the one that this certified.
What is read back from the new file is compared bit for bit with what was written, and mapped back with what the old
file holds; both models compute the same with it on the designed inputs. Until then the new file has a temporary name.

A `.safetensors` file holds the TensorFlow model's arrays under that model's own names, in float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import safetensors

from parity.migration.align.pair_alignment import align
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.conversion.array_transfer import ArrayTransfer, Shared
from parity.migration.conversion.conversion_files import FILE_TITLES, ConversionFiles
from parity.migration.conversion.file_models import FileModels
from parity.migration.prove.inputs import designed_inputs, usual_count
from parity.migration.prove.verdict import decide
from parity.migration.specs import FIRST, SECOND
from parity.migration.user_errors import user_errors
from parity.numerics.arrays import Arrays
from parity.printable import few
from parity.records.migrations import Migration
from parity.system import unwritten
from parity.weights.files import load_state, save_state
from parity.weights.state import Entry, StateError, all_finite, check_state, same_bits

LISTED = 20  # problems of a source that are listed, at most


@dataclass(frozen=True)
class Agreement:
    """How both models agree with the converted weights.

    Attributes:
        sets: of designed inputs on which they ran.
        elements: of outputs that were compared.
        gap: the largest difference, relative to the output's scale.
        limit: for it.
        precision: in which they ran.
    """

    sets: int
    elements: int
    gap: float
    limit: float
    precision: str


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        files: what was read and made.
        migration: the comparison of the two models before.
        problems: why there is no new file, one line each; empty where it was made.
        arrays: how many arrays were read back from the new file, with the bits that were to be written.
        elements: of these arrays.
        agreement: of both models with these weights; None where the conversion never got so far.
        notes: what the user should know, one line each.
    """

    files: ConversionFiles
    migration: Migration
    problems: list[str]
    arrays: int = 0
    elements: int = 0
    agreement: Agreement | None = None
    notes: list[str] = field(default_factory=list)


def convert_weights(
    pair: RecordedPair,
    files: ConversionFiles,
    *,
    apply_fixes: bool = False,
    on_message: Callable[[str], None] = lambda line: None,
) -> Conversion:
    """Convert weights: compare both models, read, write under a temporary name, prove, and only then rename the file.

    Args:
        pair: not yet open.
        files: from which file to which.
        apply_fixes: whether to make the changes that `parity compare` suggests to the Paddle model first.
        on_message: is called with a line that says what begins.

    Returns:
        The conversion. Where it has problems there is no new file; so it is when an error is raised.

    Raises:
        TargetError: a model does not build or run, or the source is no file of its weights.
        MatchError: a map does not fit.
        StateError: the source does not hold the model's weights in float32, or holds some that cannot be converted.
        WorkerError: a worker fails.
        OSError: the new file cannot be written.
    """

    def on_event(kind: str, event: Any) -> None:
        if kind == "stage":
            on_message(event)

    migration = compare_pair(pair, apply_fixes=apply_fixes, impact=False, on_event=on_event)
    verdict = migration.verdict
    with user_errors():
        if verdict != "equal" and migration.fixed and migration.fixed_verdict is not None:
            on_message("both models with the changes")
            verdict = migration.fixed_verdict
            pair.fixes = {SECOND: migration.fix}
        if verdict == "equal":
            _opened(pair)
    if verdict != "equal":
        problem = f"the verdict on the two models is {verdict!r}: expected 'equal'"
        return Conversion(files, migration, [problem])
    models = FileModels(pair)
    try:
        with user_errors():
            return _converted(pair, models, files, migration, on_message)
    finally:
        files.temporary.unlink(missing_ok=True)
        models.forget()


def _opened(pair: RecordedPair) -> None:
    """Open the pair again, which a comparison leaves as it tried changes, and put it together."""
    pair.open()
    specs = pair.specs[FIRST].inputs
    align(pair, designed_inputs(specs, pair.seed, pair.images, usual_count(specs))[0].arrays)


def _converted(
    pair: RecordedPair,
    models: FileModels,
    files: ConversionFiles,
    migration: Migration,
    on_message: Callable[[str], None],
) -> Conversion:
    transfer = ArrayTransfer(pair)
    on_message(f"reading {files.source}")
    source = _source(transfer, models, files)
    shared, rounded = _shared(transfer, files, source)
    files.remove_leftovers()
    on_message(f"writing {files.destination} under a temporary name, and reading it back")
    expected, read_back = _written(transfer, models, files, shared)
    problems = _changed(expected, read_back)
    size = sum(array.size for array in read_back.values())
    if problems:
        return Conversion(files, migration, problems, len(read_back), size)
    on_message(f"both models with these weights, in {pair.precision}")
    problems, agreement = _agreement(pair, shared)
    if not problems:
        if files.destination.exists():
            raise FileExistsError(f"{files.destination} was made meanwhile by somebody else: it is as it was")
        files.temporary.replace(files.destination.resolve())
    notes = _notes(transfer, files, migration, rounded, set(expected))
    return Conversion(files, migration, problems, len(read_back), size, agreement, notes)


def _source(transfer: ArrayTransfer, models: FileModels, files: ConversionFiles) -> Arrays:
    """All arrays of the source, by the names of its model. Raises StateError for those that cannot be converted."""
    if not files.source_framework:
        return _canonical(transfer, files)
    built = models.built(files.source_framework)
    arrays = models.read(files.source_framework, files.source)
    floats = {name: array for name, array in arrays.items() if array.dtype.kind == "f"}
    for name, array in floats.items():
        if not all_finite(array):
            count = np.count_nonzero(~np.isfinite(array))
            raise StateError(f"{files.source}: {name!r} holds {count} NaN or infinite values; expected numbers")
    other = FILE_TITLES[SECOND if files.source_framework == FIRST else FIRST]
    for name in sorted(transfer.constant(files.source_framework)):
        if not same_bits(built[name], arrays[name]):
            raise StateError(
                f"{files.source}: {name!r} holds other numbers than the model is built with, and the {other} model "
                "has no array for them: the numbers of the built model are in its code"
            )
    return arrays


def _canonical(transfer: ArrayTransfer, files: ConversionFiles) -> Arrays:
    """The arrays of a canonical file. Raises StateError."""
    try:
        with safetensors.safe_open(files.source, framework="numpy") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except safetensors.SafetensorError as error:
        raise StateError(f"{files.source}: not a whole safetensors file: {error}") from None
    if others := [name for name, dtype in types.items() if dtype != "F32"]:
        raise StateError(f"{files.source}: {others[0]!r} is {types[others[0]]}; expected F32: convert it first")
    state = load_state(files.source)
    facts = transfer.pair.opened[FIRST].arrays
    entries = [Entry(name, tuple(facts[name]["shape"]), "float32", True) for name in transfer.first]
    try:
        check_state(state, entries, receiver=f"the TensorFlow model {transfer.pair.specs[FIRST].target}")
    except StateError as error:
        raise StateError(f"{files.source}: {error}") from None
    return state


def _shared(transfer: ArrayTransfer, files: ConversionFiles, source: Arrays) -> tuple[Shared, list[str]]:
    """What the source has of what both models hold, and the Paddle arrays that have a sum which float32 rounds.

    Raises:
        StateError: numbers of the source do not come back from the other model's arrays.
    """
    if files.source_framework != SECOND:
        shared = transfer.shared_of_first(source)
        back = transfer.shared_of_second(transfer.second_of(shared)).arrays
        lost = [f"{name!r} cannot be put into Paddle's arrays" for name in back if (back[name] != source[name]).any()]
        rounded: list[str] = []
    else:
        shared = transfer.shared_of_second(source)
        lost, rounded = transfer.differing(shared, source)
    if lost:
        listed = "\n  ".join(lost[:LISTED])
        raise StateError(f"{files.source}: {len(lost)} arrays cannot be converted:\n  {listed}")
    return shared, rounded


def _written(
    transfer: ArrayTransfer, models: FileModels, files: ConversionFiles, shared: Shared
) -> tuple[Arrays, Arrays]:
    """Write the temporary file, and read it back in a new model: what each array is to hold, and what it holds."""
    framework = files.destination_framework
    arrays = transfer.second_of(shared) if framework == SECOND else shared.arrays
    try:
        if not framework:
            save_state(arrays, files.temporary)
            return arrays, load_state(files.temporary)
        expected = models.built(framework) | arrays
        held = models.write(framework, arrays, files.temporary)
    except OSError as error:
        files.temporary.unlink(missing_ok=True)
        raise unwritten(error, files.destination, sum(array.nbytes for array in arrays.values())) from None
    models.built(framework)
    read_back = models.read(framework, files.temporary)
    compared = [name for name in expected if name in held or name in arrays]  # the model makes others by itself
    return {name: expected[name] for name in compared}, {name: read_back[name] for name in compared}


def _changed(expected: Mapping[str, np.ndarray], read_back: Mapping[str, np.ndarray]) -> list[str]:
    """Arrays that do not come back from the written file, a line each."""
    if not expected:
        return ["no array was written"]
    same = {name for name in expected if name in read_back and same_bits(expected[name], read_back[name])}
    changed = [name for name in {**expected, **read_back} if name not in same]
    return [f"{name!r} does not come back from the written file as it was written" for name in changed]


def _agreement(pair: RecordedPair, shared: Shared) -> tuple[list[str], Agreement]:
    """Whether both models agree with these weights on all designed inputs; if not, why, one line each."""
    pair.use_arrays(shared.arrays | shared.beside)
    specs = pair.specs[FIRST].inputs
    sets = designed_inputs(specs, pair.seed, pair.images, usual_count(specs))
    decided = decide(pair, [one for one in sets if one.enlarged == 1])  # these are drawn
    typical = [one for one in decided.outcomes if one.inputs.typical]
    worst = max(typical, key=lambda one: one.gap.gap, default=None)
    gap, limit = (worst.gap.gap, worst.gap.limit) if worst is not None else (math.inf, 0.0)
    elements = sum(one.gap.elements for one in typical)
    if decided.verdict == "equal":
        return [], Agreement(len(typical), elements, gap, max(limit, gap), pair.precision)
    problems = [
        f"with these weights, on inputs of the kind {one.inputs.name!r} "
        + (one.gap.problem or f"the outputs differ by {one.gap.gap:.1e}, limit {one.gap.limit:.1e}")
        for one in typical
        if not one.equal
    ]
    return problems + decided.missing, Agreement(len(typical), elements, gap, limit, pair.precision)


def _notes(
    transfer: ArrayTransfer,
    files: ConversionFiles,
    migration: Migration,
    rounded: Sequence[str],
    written: AbstractSet[str],
) -> list[str]:
    """What the user should know: arrays of one model only, sums that were rounded, changes to the model."""
    notes = []
    for framework, fate in (
        (files.source_framework, "not converted"),
        (files.destination_framework, "written as the model was built"),
    ):
        constant = transfer.constant(framework) if framework else set()
        unmapped = transfer.unmapped(framework) if framework else []
        if framework == files.destination_framework:
            unmapped = [name for name in unmapped if name in written]
        title = FILE_TITLES[framework]
        if unused := [name for name in unmapped if name not in constant]:
            notes.append(f"arrays of the {title} model that its outputs do not depend on, {fate}: {few(unused)}")
        if constant:
            known = few(sorted(constant))
            notes.append(f"arrays of the {title} model that the other model has in its code, as it was built: {known}")
    if rounded:
        notes.append(
            "Paddle adds two arrays for which TensorFlow has one: it holds the sum, rounded to float32, with which the "
            f"proof was made: {few(rounded)}"
        )
    if files.destination_framework == SECOND and transfer.beside:
        notes.append("of two arrays that Paddle adds and TensorFlow does not have twice, the second holds zeros")
    if transfer.pair.fixes:
        notes.append("the proof holds for the Paddle model with the changes below: your Paddle code needs them, too")
        if files.source_framework == SECOND:
            notes.append("without them these weights were trained: TensorFlow computes what the changed model does")
    return notes
