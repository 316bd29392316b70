"""`parity convert`: trained weights from one framework's file to the other's, proven before the new file appears.

What is read back from the new file is held bit for bit against what the old one gave, and both models compute the same
with it in float64. Until then the new file has a temporary name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import safetensors

from parity.catalogue.user_models import Adoption
from parity.kinds import NEUTRAL
from parity.migration.diagnosis import diagnose_pair
from parity.migration.fixes import fix_code
from parity.migration.matching import MatchError
from parity.migration.pair import FIRST, SECOND, Pair
from parity.migration.proofs import certificate, float64_forward
from parity.records.records import Proof
from parity.runtime.graph import few
from parity.system import remove_leftovers, temporary_name, unwritten
from parity.weights.files import load_state, save_state
from parity.weights.state import State, StateError, check_state, digests
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import WorkerError

CANONICAL = ""  # of no framework: the names that the two models share

KINDS = {".weights.h5": FIRST, ".keras": FIRST, ".pdparams": SECOND, ".safetensors": CANONICAL}

TITLES = {name: framework.title for name, framework in FRAMEWORKS.items()} | {CANONICAL: "canonical"}

EXPECTED = "expected .weights.h5 or .keras (TensorFlow), .pdparams (Paddle) or .safetensors (canonical names)"


@dataclass(frozen=True)
class Files:
    """From which file to which, each by its suffix a framework's."""

    source: Path
    destination: Path

    def __post_init__(self) -> None:
        """Refuse what cannot come to anything, before a model is loaded. Raises ValueError."""
        for path in (self.source, self.destination):
            if not path.name.endswith(tuple(KINDS)):
                raise ValueError(f"{path}: unknown kind of file; {EXPECTED}")
        if self.origin == self.target:
            raise ValueError(
                f"{self.source} and {self.destination} are both {TITLES[self.origin]} files: expected two kinds; "
                + EXPECTED.removeprefix("expected ")
            )
        if not self.source.is_file():
            raise ValueError(f"{self.source}: no such file; expected a file of weights")
        folder = self.destination.parent
        if self.destination.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ValueError(f"{self.destination}: expected a file's name in a directory that can be written to")

    @property
    def origin(self) -> str:
        """The framework of the file that is read; empty for canonical names."""
        return _kind(self.source)

    @property
    def target(self) -> str:
        """The framework of the file that is made; empty for canonical names."""
        return _kind(self.destination)

    @property
    def temporary(self) -> Path:
        """The new file's name until it is proven; of the same suffix, by which both frameworks go."""
        return temporary_name(self.destination.resolve(), self._suffix)

    @property
    def _suffix(self) -> str:
        return next(suffix for suffix in KINDS if self.destination.name.endswith(suffix))

    def remove_leftovers(self) -> None:
        """Remove new files that killed conversions to the same destination did not finish."""
        remove_leftovers(self.destination.resolve(), self._suffix)


@dataclass(frozen=True)
class Conversion:
    """What was converted and proven; with problems, why there is no new file."""

    files: Files
    arrays: int  # that were read back from the new file, bit for bit as they were read from the old one
    elements: int
    problems: list[str] = field(default_factory=list)
    proof: Proof | None = None  # level 2, with these weights
    notes: list[str] = field(default_factory=list)
    fix: str = ""  # what was changed in the Paddle model


def convert_weights(
    pair: Pair, files: Files, *, apply_fixes: bool = False, told: Callable[[str], None] = lambda line: None
) -> Conversion:
    """Load both models, read, write under a temporary name, prove, and only then give the file its name.

    `told` hears what begins. Raises TargetError, MatchError, StateError, WorkerError, OSError; there is no new file
    then, and none where the conversion that is returned has problems. An old file of that name stays as it was.
    """
    told("building and tracing both models")
    pair.load()
    pair.match()
    _require_counterparts(pair)
    inputs = pair.inputs()
    code = _fixed(pair, inputs, told) if apply_fixes else ""
    told(f"reading {files.source}")
    state = _source_state(pair, files)
    notes = _notes(pair, files, code)
    elements = sum(array.size for array in state.values())
    try:
        files.remove_leftovers()
        told(f"writing {files.destination} under a temporary name, and reading it back")
        problems = _written(pair, files, state)
        if problems:
            return Conversion(files, len(state), elements, problems, None, notes, code)
        told("float64 forward of both models with these weights")
        for framework, path in ((files.origin, files.source), (files.target, files.temporary)):
            if framework:
                _reload(pair, framework, path, code)
        pair.keep_state(state)
        (proof,) = float64_forward(pair, inputs)
        if proof.passed:
            files.temporary.replace(files.destination.resolve())
        return Conversion(files, len(state), elements, list(proof.problems), proof, notes, code)
    finally:
        files.temporary.unlink(missing_ok=True)


def conversion_lines(found: Conversion) -> list[str]:
    """What the terminal shows of a conversion."""
    files, proof = found.files, found.proof
    notes = [f"note: {note}" for note in found.notes]
    if found.problems:
        lines = [f"not converted, {files.destination} was not written:", *(f"  {line}" for line in found.problems)]
        advice = "`parity compare` with the same models shows the causes and how to mend them."
        return [*lines, *([advice] if proof else []), *notes]
    assert proof is not None
    way = f"{files.source} ({TITLES[files.origin]}) -> {files.destination} ({TITLES[files.target]})"
    lines = [
        f"converted: {way}",
        f"{found.arrays} arrays of {found.elements:,} elements, read back from the new file bit for bit",
        f"float64 forward on {proof.dataset}: {proof.compared['stages']} layers and functions agree, largest gap "
        f"{proof.gap:.1e} at {proof.worst!r}, limit {proof.limit:.1e}",
        *notes,
    ]
    return [*lines, "", *found.fix.rstrip().splitlines()] if found.fix else lines


def _kind(path: Path) -> str:
    return next(kind for suffix, kind in KINDS.items() if path.name.endswith(suffix))


def _require_counterparts(pair: Pair) -> None:
    """Raise MatchError that lists every layer with weights that one model has alone."""
    problems = []
    for framework, lone in ((FIRST, pair.matching.only_first), (SECOND, pair.matching.only_second)):
        steps = [pair.graphs[framework].steps[place] for place in lone]
        problems += [f"{step.name} ({step}) exists in {TITLES[framework]} only" for step in steps if step.shapes]
        opaque, title = pair.graphs[framework].opaque, TITLES[framework]
        problems += [f"{name} of {title} is in a layer that the suite cannot look into" for name in opaque]
    one, other = ({entry.name: entry.shape for entry in pair.entries[framework]} for framework in (FIRST, SECOND))
    for name in one | other:  # a layer that one model uses twice has its arrays there once
        if one.get(name) != other.get(name):
            problems.append(f"{name}: {one.get(name, 'none')} in TensorFlow, {other.get(name, 'none')} in PaddlePaddle")
    if problems:
        listed = "\n  ".join(problems)
        raise MatchError(
            f"weights would be lost, or left as they were drawn:\n  {listed}\n"
            "Expected two models of one network; `--map FILE` says which layers belong together."
        )


def _fixed(pair: Pair, inputs: np.ndarray, told: Callable[[str], None]) -> str:
    """Make the changes to the Paddle model that `parity compare` suggests; their code, empty where there are none."""
    told("looking for differences of the models")
    certificate(pair, inputs)  # draws the state that the diagnosis works with
    float64_forward(pair, inputs)
    code, _ = fix_code(pair, diagnose_pair(pair, inputs))
    if code:
        told("building the Paddle model again with the suggested changes")
        pair.fix(code)
        pair.match()
        _require_counterparts(pair)
    return code


def _source_state(pair: Pair, files: Files) -> State:
    """The source's arrays by shared name. Raises StateError: what is no float32 number, or has nowhere to go."""
    if files.origin:
        found = _read(pair, files.origin, files.source)
    else:
        _require_float32(files.source)
        found = load_state(files.source)
    wanted = {entry.name for entry in pair.entries[FIRST]}
    alone = _neutral_names(pair, files.origin)
    for name, number in alone.items():
        if name in found and not (found[name] == number).all():
            there, other = TITLES[files.origin], TITLES[SECOND if files.origin == FIRST else FIRST]
            raise StateError(
                f"{files.source}: {name!r} exists in the {there} model only and is not {number:g} everywhere, so the "
                f"{other} model cannot compute the same. Give that layer of the {other} model one, too."
            )
    state = {name: array for name, array in found.items() if name in wanted or name not in alone}
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
    if odd := [name for name, dtype in types.items() if dtype != "F32"]:
        raise StateError(f"{path}: {odd[0]!r} is {types[odd[0]]}; expected F32: convert it first")


def _written(pair: Pair, files: Files, state: State) -> list[str]:
    """Write the temporary file, read it back, and say what is not as it was."""
    if files.target:
        pair.keep_state(state)
        _write(files, state, lambda: _write_weights(pair, files.target, files.temporary))
        found = _read(pair, files.target, files.temporary)
    else:
        _write(files, state, lambda: save_state(state, files.temporary))
        found = load_state(files.temporary)
    filled = _neutral_names(pair, files.target)
    wanted = state | {name: np.full_like(found[name], number) for name, number in filled.items() if name in found}
    before, after = digests(wanted), digests(found)
    changed = [name for name in before | after if before.get(name) != after.get(name)]
    return [f"{name!r} does not come back from the written file as it was read" for name in changed]


def _write(files: Files, state: State, write: Callable[[], object]) -> None:
    """Have the temporary file written. Raises OSError that speaks of the file that was asked for."""
    try:
        write()
    except OSError as error:
        known = error
    except WorkerError as error:  # a full disk of which a framework tells in its own words
        known = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if error.cause != "raised" or os.strerror(errno.ENOSPC) not in error.detail:
            raise
    else:
        return
    files.temporary.unlink(missing_ok=True)
    raise unwritten(known, files.destination, sum(array.nbytes for array in state.values()))


def _write_weights(pair: Pair, framework: str, path: Path) -> int:
    """Write the kept state as a file of the model; its size in bytes."""
    return pair.one(framework, lambda worker: worker.write_weights(pair.name, str(path)))


def _read(pair: Pair, framework: str, path: Path) -> State:
    """All arrays of the matched layers in a file, through the model whose file it is."""
    if _neutral_names(pair, framework):
        _adopt(pair, framework, whole=True)
    return pair.one(framework, lambda worker: worker.read_weights(pair.name, str(path.resolve())))


def _reload(pair: Pair, framework: str, path: Path, code: str) -> None:
    """Build a model anew from its file: arrays that no matched layer uses take part in the proof as they are there."""
    pair.wanted = pair.wanted | {framework: replace(pair.wanted[framework], weights=str(path.resolve()))}
    pair.one(framework, lambda worker: worker.load_model(pair.name, pair.wanted[framework]))
    if framework == SECOND and code:
        pair.one(SECOND, lambda worker: worker.fix_model(pair.name, code))
    _adopt(pair, framework)


def _adopt(pair: Pair, framework: str, *, whole: bool = False) -> None:
    """Give one model's matched layers their names again; `whole`: with the arrays that the other model lacks."""
    side = (FIRST, SECOND).index(framework)
    names = {}
    for each in pair.matching.matches:
        place = (each.first, each.second)[side]
        adoption = Adoption(place, each.cell, [] if whole else list(each.neutral[side]))
        names[pair.graphs[FIRST].steps[each.first].name] = adoption
    pair.one(framework, lambda worker: worker.adopt(pair.name, names))


def _neutral_names(pair: Pair, framework: str) -> Mapping[str, float]:
    """The arrays that only this model has, and the number that each must hold to change nothing."""
    if not framework:
        return {}
    side = (FIRST, SECOND).index(framework)
    steps = pair.graphs[FIRST].steps
    matches = pair.matching.matches
    return {f"{steps[each.first].name}/{kind}": NEUTRAL[kind] for each in matches for kind in each.neutral[side]}


def _notes(pair: Pair, files: Files, code: str) -> list[str]:
    """What the user should know: arrays that were filled, or that no matched layer uses; changes to the model."""
    notes = pair.ends()[1]
    for framework, fate in (
        (files.origin, "left out, they change nothing"),
        (files.target, "filled so that they change nothing (bias and beta 0, gamma 1)"),
    ):
        if alone := list(_neutral_names(pair, framework)):
            notes.append(f"arrays that only the {TITLES[framework]} model has, {fate}: {few(alone)}")
    for framework, fate in ((files.origin, "not converted"), (files.target, "written as the model was built")):
        if stray := pair.graphs[framework].stray if framework else []:
            notes.append(f"arrays of the {TITLES[framework]} model that no matched layer uses, {fate}: {few(stray)}")
    if code:
        notes.append("the proof holds for the Paddle model with the changes below: your Paddle code needs them, too")
        if files.origin == SECOND:
            notes.append("without them these weights were trained: TensorFlow computes what the changed model does")
    return notes
