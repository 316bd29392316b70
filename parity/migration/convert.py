"""`parity convert`: trained weights from one framework's file to the other's, proven before the new file appears.

What is read back from the new file is compared bit for bit with what was read from the old one, and both models compute
the same with it in float64. Until then the new file has a temporary name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import safetensors

from parity.kinds import NEUTRAL
from parity.migration.compare import compare_pair
from parity.migration.matching import MatchError
from parity.migration.pair import ModelPair
from parity.migration.proofs import float64_forward
from parity.migration.recorded_pair import RecordedPair
from parity.migration.specs import FIRST, SECOND
from parity.printable import few
from parity.records.records import Proof
from parity.system import remove_leftovers, require_writable, temporary_name, unwritten
from parity.weights.files import load_state, save_state
from parity.weights.state import State, StateError, check_state, digests
from parity.workers.errors import WorkerError
from parity.workers.frameworks import FRAMEWORKS

CANONICAL = ""  # no framework's: a file with the names that the two models share

FILE_SUFFIXES = {".weights.h5": FIRST, ".keras": FIRST, ".pdparams": SECOND, ".safetensors": CANONICAL}

FILE_TITLES = {name: framework.title for name, framework in FRAMEWORKS.items()} | {CANONICAL: "canonical"}

EXPECTED = "expected .weights.h5 or .keras (TensorFlow), .pdparams (Paddle) or .safetensors (canonical names)"


@dataclass(frozen=True)
class ConversionFiles:
    """The file that is read and the file that is made; the suffix of each says whose it is.

    Raises:
        ValueError: a suffix is unknown, both files are of one kind, or one cannot be read or written.
    """

    source: Path
    destination: Path

    def __post_init__(self) -> None:
        """Refuse files that cannot be converted before a model is loaded."""
        for path in (self.source, self.destination):
            if not path.name.endswith(tuple(FILE_SUFFIXES)):
                raise ValueError(f"{path}: unknown kind of file; {EXPECTED}")
        if self.source_framework == self.destination_framework:
            raise ValueError(
                f"{self.source} and {self.destination} are both {FILE_TITLES[self.source_framework]} files: "
                "expected two kinds; " + EXPECTED.removeprefix("expected ")
            )
        if not self.source.is_file():
            raise ValueError(f"{self.source}: no such file; expected a file of weights")
        require_writable(self.destination)
        if not self.destination.parent.is_dir():  # the frameworks make none
            raise ValueError(f"{self.destination}: expected a file's name in a directory that exists")

    @property
    def source_framework(self) -> str:
        """The framework of the file that is read; empty for canonical names."""
        return _framework_of(self.source)

    @property
    def destination_framework(self) -> str:
        """The framework of the file that is made; empty for canonical names."""
        return _framework_of(self.destination)

    @property
    def temporary(self) -> Path:
        """The new file's name until it is proven; it has the same suffix, on which both frameworks rely."""
        return temporary_name(self.destination.resolve(), self._suffix)

    @property
    def _suffix(self) -> str:
        return next(suffix for suffix in FILE_SUFFIXES if self.destination.name.endswith(suffix))

    def remove_leftovers(self) -> None:
        """Remove new files that killed conversions to the same destination did not finish."""
        remove_leftovers(self.destination.resolve(), self._suffix)


@dataclass(frozen=True)
class Conversion:
    """The result of a conversion.

    Attributes:
        files: what was read and made.
        arrays: how many arrays were read back from the new file, with the bits that the old one has.
        elements: of these arrays.
        problems: why there is no new file, one line each; empty where it was made.
        proof: level 2 with these weights; None where the conversion never got so far.
        notes: what the user should know, one line each.
        fix: Python source of the changes that were made to the Paddle model.
    """

    files: ConversionFiles
    arrays: int
    elements: int
    problems: list[str] = field(default_factory=list)
    proof: Proof | None = None
    notes: list[str] = field(default_factory=list)
    fix: str = ""


def convert_weights(
    pair: ModelPair,
    files: ConversionFiles,
    *,
    apply_fixes: bool = False,
    on_message: Callable[[str], None] = lambda line: None,
) -> Conversion:
    """Convert weights: load both models, read, write under a temporary name, prove, and only then rename the file.

    Args:
        pair: not yet loaded.
        files: from which file to which.
        apply_fixes: whether to make the changes that `parity compare` suggests to the Paddle model first.
        on_message: is called with a line that says what begins.

    Returns:
        The conversion. Where it has problems there is no new file, and an old file of that name stays as it was; so it
        is when an error is raised.

    Raises:
        TargetError: a model does not build or run.
        MatchError: a layer with weights has no counterpart.
        StateError: the source does not hold the model's weights in float32.
        WorkerError: a worker fails.
        OSError: the new file cannot be written.
    """
    on_message("building and tracing both models")
    pair.load()
    pair.match()
    _require_counterparts(pair)
    inputs = pair.inputs()
    code = _apply_fixes(pair, on_message) if apply_fixes else ""
    on_message(f"reading {files.source}")
    state = _source_state(pair, files)
    notes = _notes(pair, files, code)
    elements = sum(array.size for array in state.values())
    try:
        files.remove_leftovers()
        on_message(f"writing {files.destination} under a temporary name, and reading it back")
        problems = _write_and_read_back(pair, files, state)
        if problems:
            return Conversion(files, len(state), elements, problems, None, notes, code)
        on_message("float64 forward of both models with these weights")
        for framework, path in ((files.source_framework, files.source), (files.destination_framework, files.temporary)):
            if framework:
                _reload(pair, framework, path, code)
        pair.keep_state(state)
        (proof,) = float64_forward(pair, inputs)
        if proof.passed:
            files.temporary.replace(files.destination.resolve())
        return Conversion(files, len(state), elements, list(proof.problems), proof, notes, code)
    finally:
        files.temporary.unlink(missing_ok=True)


def _framework_of(path: Path) -> str:
    return next(framework for suffix, framework in FILE_SUFFIXES.items() if path.name.endswith(suffix))


def _require_counterparts(pair: ModelPair) -> None:
    """Raise MatchError that lists every layer with weights that only one model has."""
    problems = []
    for framework, unmatched in pair.unmatched().items():
        opaque, title = pair.graphs[framework].opaque, FILE_TITLES[framework]
        problems += [f"{step.name} ({step}) exists in {title} only" for step in unmatched.values() if step.shapes]
        problems += [f"{name} of {title} is in a layer that the suite cannot look into" for name in opaque]
    first_shapes, second_shapes = (
        {entry.name: entry.shape for entry in pair.entries[framework]} for framework in (FIRST, SECOND)
    )
    for name in first_shapes | second_shapes:  # a layer that one model uses twice has one set of arrays
        if first_shapes.get(name) != second_shapes.get(name):
            problems.append(
                f"{name}: {first_shapes.get(name, 'none')} in TensorFlow, "
                f"{second_shapes.get(name, 'none')} in PaddlePaddle"
            )
    if problems:
        listed = "\n  ".join(problems)
        raise MatchError(
            f"weights would be lost, or left as they were drawn:\n  {listed}\n"
            "Expected two models of one network; `--map FILE` says which layers belong together."
        )


def _apply_fixes(pair: ModelPair, on_message: Callable[[str], None]) -> str:
    """Make the changes to the Paddle model that `parity compare` suggests; their code, empty where there are none."""
    on_message("looking for differences of the models")
    recorded = RecordedPair(pair.workers, pair.specs, pair.dataset, pair.seed, pair.fixed)
    code = compare_pair(recorded, impact=False).fix
    recorded.forget()
    if code:
        on_message("building the Paddle model again with the suggested changes")
        pair.fix(code)
        pair.match()
        _require_counterparts(pair)
    return code


def _source_state(pair: ModelPair, files: ConversionFiles) -> State:
    """The source's arrays by shared name. Raises StateError for arrays that are not float32, or not of the models."""
    if files.source_framework:
        arrays = _read(pair, files.source_framework, files.source)
    else:
        _require_float32(files.source)
        arrays = load_state(files.source)
    shared_names = {entry.name for entry in pair.entries[FIRST]}
    neutral = _neutral_names(pair, files.source_framework)
    for name, number in neutral.items():
        if name in arrays and not (arrays[name] == number).all():
            owner, receiver = (
                FILE_TITLES[files.source_framework],
                FILE_TITLES[SECOND if files.source_framework == FIRST else FIRST],
            )
            raise StateError(
                f"{files.source}: {name!r} exists in the {owner} model only and is not {number:g} everywhere, so the "
                f"{receiver} model cannot compute the same. Give that layer of the {receiver} model one, too."
            )
    state = {name: array for name, array in arrays.items() if name in shared_names or name not in neutral}
    try:
        check_state(state, pair.entries[FIRST], receiver=f"the models {pair.name}")
    except StateError as error:
        raise StateError(f"{files.source}: {error}") from None
    return state


def _require_float32(path: Path) -> None:
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            types = {name: file.get_slice(name).get_dtype() for name in file.keys()}  # noqa: SIM118 (no mapping)
    except safetensors.SafetensorError as error:
        raise StateError(f"{path}: not a whole safetensors file: {error}") from None
    if others := [name for name, dtype in types.items() if dtype != "F32"]:
        raise StateError(f"{path}: {others[0]!r} is {types[others[0]]}; expected F32: convert it first")


def _write_and_read_back(pair: ModelPair, files: ConversionFiles, state: State) -> list[str]:
    """Write the temporary file and read it back; one line for each array that changed."""
    if files.destination_framework:
        pair.keep_state(state)
        _write(files, state, lambda: _write_weights(pair, files.destination_framework, files.temporary))
        read_back = _read(pair, files.destination_framework, files.temporary)
    else:
        _write(files, state, lambda: save_state(state, files.temporary))
        read_back = load_state(files.temporary)
    filled = _neutral_names(pair, files.destination_framework)
    expected = state | {
        name: np.full_like(read_back[name], number) for name, number in filled.items() if name in read_back
    }
    before, after = digests(expected), digests(read_back)
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    return [f"{name!r} does not come back from the written file as it was read" for name in changed]


def _write(files: ConversionFiles, state: State, write: Callable[[], object]) -> None:
    """Call `write`, which writes the temporary file. Raises OSError that names the destination instead."""
    try:
        write()
    except OSError as error:
        os_error = error
    except WorkerError as error:  # a full disk, which a framework reports in its own message
        os_error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if error.cause != "raised" or os.strerror(errno.ENOSPC) not in error.detail:
            raise
    else:
        return
    files.temporary.unlink(missing_ok=True)
    raise unwritten(os_error, files.destination, sum(array.nbytes for array in state.values()))


def _write_weights(pair: ModelPair, framework: str, path: Path) -> int:
    """Write the kept state as a file of the model; its size in bytes."""
    return pair.run_on(framework, lambda worker: worker.write_weights(pair.name, str(path)))


def _read(pair: ModelPair, framework: str, path: Path) -> State:
    """All arrays of the matched layers in a file, through the model whose file it is."""
    if _neutral_names(pair, framework):
        _adopt(pair, framework, whole=True)
    return pair.run_on(framework, lambda worker: worker.read_weights(pair.name, str(path.resolve())))


def _reload(pair: ModelPair, framework: str, path: Path, code: str) -> None:
    """Build a model again from its file, so that the proof uses the file's values of unmatched arrays, too."""
    pair.specs = pair.specs | {framework: replace(pair.specs[framework], weights=str(path.resolve()))}
    pair.run_on(framework, lambda worker: worker.load_model(pair.name, pair.specs[framework]))
    if framework == SECOND and code:
        pair.run_on(SECOND, lambda worker: worker.fix_model(pair.name, code))
    _adopt(pair, framework)


def _adopt(pair: ModelPair, framework: str, *, whole: bool = False) -> None:
    """Give one model's matched layers their names again; `whole`: with the arrays that the other model lacks, too."""
    names = pair.adoptions(framework)
    if whole:
        names = {name: replace(adoption, neutral=[]) for name, adoption in names.items()}
    pair.run_on(framework, lambda worker: worker.adopt(pair.name, names))


def _neutral_names(pair: ModelPair, framework: str) -> Mapping[str, float]:
    """The arrays that only this model has, and the value with which each changes nothing."""
    if not framework:
        return {}
    names = pair.adoptions(framework)
    return {f"{name}/{kind}": NEUTRAL[kind] for name, adoption in names.items() for kind in adoption.neutral}


def _notes(pair: ModelPair, files: ConversionFiles, code: str) -> list[str]:
    """What the user should know: arrays that were filled, or that no matched layer uses; changes to the model."""
    notes = pair.ends()[1]
    for framework, fate in (
        (files.source_framework, "left out, they change nothing"),
        (files.destination_framework, "filled so that they change nothing (bias and beta 0, gamma 1)"),
    ):
        if alone := list(_neutral_names(pair, framework)):
            notes.append(f"arrays that only the {FILE_TITLES[framework]} model has, {fate}: {few(alone)}")
    for framework, fate in (
        (files.source_framework, "not converted"),
        (files.destination_framework, "written as the model was built"),
    ):
        if stray := pair.graphs[framework].stray if framework else []:
            notes.append(
                f"arrays of the {FILE_TITLES[framework]} model that no matched layer uses, {fate}: {few(stray)}"
            )
    if code:
        notes.append("the proof holds for the Paddle model with the changes below: your Paddle code needs them, too")
        if files.source_framework == SECOND:
            notes.append("without them these weights were trained: TensorFlow computes what the changed model does")
    return notes
