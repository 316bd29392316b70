"""Inputs on which two models that differ give different numbers; and the user's own."""

from __future__ import annotations

import contextlib
import importlib
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from parity.catalogue.targets import TargetError, parse
from parity.catalogue.user_models import InputSpec, input_keys
from parity.data.proof_inputs import resized, scaled
from parity.numerics.arrays import Arrays
from parity.weights.state import all_finite

LARGE, SMALL = 1e2, 1e-3  # factors of inputs that reach clips and saturations, and that reach neither

MANY, FEW_NUMBERS = 32, 1024  # how many inputs reach clips and saturations, where one has few numbers

ROWS = 4  # of the sets of padded sequences: full, half, two and one


@dataclass(frozen=True)
class InputSet:
    """Inputs for one run of both models.

    Attributes:
        name: of the set, such as "padding at the end".
        arrays: by `input_keys`, [n, *shape] with the same n: float32, int64 or bool.
        why: what differs between models that these inputs show.
        typical: whether models are made for such inputs; a difference on others alone is a remark.
        large_weights: whether the models have large weights meanwhile, see `enlarged`.
        apart: whether causes are looked for on these inputs, even where others have shown some.
    """

    name: str
    arrays: Arrays
    why: str
    typical: bool = True
    large_weights: bool = False
    apart: bool = False

    @property
    def count(self) -> int:
        """How many inputs of each kind."""
        return len(next(iter(self.arrays.values())))


def drawn_input(spec: InputSpec, count: int, draw: np.random.Generator, images: np.ndarray | None = None) -> np.ndarray:
    """Drawn inputs of one kind.

    Args:
        spec: the form of the input.
        count: how many.
        draw: where they come from.
        images: uint8 [m, size, size, 3], m at least `count`, for inputs that can be images.

    Returns:
        [count, *shape]: int64 from 1 to below the spec's limit; of bool True for nine of ten; float32 in
        -2..2, images cropped or enlarged to the input's size.
    """
    shape = (count, *spec.shape)
    if spec.dtype == "bool":
        return draw.random(shape) < 0.9
    if spec.whole:
        # 0 is padding to many models, see `designed_inputs`
        return draw.integers(1 if spec.limit > 1 else 0, spec.limit, shape)
    if images is None or not spec.takes_images:
        return draw.uniform(-2, 2, shape).astype(np.float32)
    height, width, channels = spec.shape
    picks = np.sort(draw.choice(len(images), count, replace=False))
    pixels = resized(images[picks], height, width)
    if channels == 1:
        pixels = pixels.mean(axis=3, keepdims=True)
    return scaled(pixels)


def designed_inputs(
    specs: Sequence[InputSpec], seed: int, images: np.ndarray | None = None, count: int = 4
) -> list[InputSet]:
    """Sets of inputs, each of which shows what the others may miss.

    In a set that is about one kind of input, inputs of other kinds are drawn. Masks and lengths (`InputSpec.is_mask`,
    `is_length`) always say what the padded inputs of the set are.

    Args:
        specs: the models' inputs.
        seed: of all that is drawn.
        images: as in `drawn_input`.
        count: of the drawn inputs of the first set.

    Returns:
        "drawn" first. "all padding" is there only for inputs that can be padded: a mean over nothing is NaN in both
        frameworks, so such an input may lie outside of what the models are for.

    Example:
        >>> [one.name for one in designed_inputs([InputSpec([8], tokens=100)], seed=0)][:3]
        ['drawn', 'one input', 'three inputs']
        >>> (designed_inputs([InputSpec([4], tokens=9)], seed=0)[5].arrays["0"][1:] > 0).tolist()
        [[True, True, False, False], [True, True, False, False], [True, False, False, False]]
    """
    design = _Design(specs, seed, images)
    # classes show a clip only where it changes which one is largest
    few_numbers = images is None and sum(math.prod(one.shape) for one in specs) <= FEW_NUMBERS
    many = MANY if few_numbers else 2
    sets = [
        design.drawn("drawn", count, "numbers as the models get them"),
        design.drawn("one input", 1, "a batch of one: axes of length 1 that are dropped or summed over"),
        design.drawn("three inputs", 3, "a batch of another, odd size: shapes that were fixed when a model was built"),
    ]
    if any(design.is_ids(one) for one in specs):
        sets += [design.special([1, -1], "special ids"), design.special([0], "ids of 0 inside", typical=False)]
    if design.steps:
        half = max(1, design.steps // 2)
        lengths = [design.steps, half, min(2, design.steps), 1]
        sets += [
            design.padded("padding at the end", lengths, "masks, `padding_idx`, means over what is real, last states"),
            design.padded(
                "padding at the start", lengths, "masks that are taken for lengths", front=True, typical=False
            ),
            design.padded("full and single", [design.steps, 1], "no padding at all beside one element that is real"),
            design.padded("all padding", [design.steps, 0], "what is made of a sequence of nothing", typical=False),
        ]
    if any(design.is_mask(one) for one in specs):
        sets.append(design.with_holes())
    if any(design.is_ids(one) for one in specs):
        sets.append(design.equal_tokens())
    if any(design.is_float(one) for one in specs):
        sets += [
            design.changed("zeros", 1, lambda x: np.zeros_like(x), "biases, epsilons, masks by value"),
            design.changed("ones", 1, lambda x: np.ones_like(x), "borders and their padding; variances of nothing"),
            design.changed("minus ones", 1, lambda x: -np.ones_like(x), "the negative sides of activations"),
            design.changed("large", many, lambda x: x * np.float32(LARGE), "clips and saturations of activations"),
            design.changed("small", 1, lambda x: x * np.float32(SMALL), "epsilons; what happens close to zero"),
        ]
    why = "clips and saturations that no inputs reach: others come before"
    reached = design.drawn("large weights", max(count, many), why)
    return [*sets, replace(reached, large_weights=True, apart=True)]


class _Design:
    """Makes sets of inputs; `steps` is the length of the sequences that can be padded, 0 where there are none."""

    def __init__(self, specs: Sequence[InputSpec], seed: int, images: np.ndarray | None) -> None:
        self.specs, self.images = list(specs), images
        self.draw = np.random.default_rng(seed)
        lengths = [one.shape[0] for one in specs if self.is_sequence(one)]
        self.steps = lengths[0] if lengths else 0

    def is_mask(self, spec: InputSpec) -> bool:
        return spec.is_mask and len(spec.shape) == 1

    def is_float(self, spec: InputSpec) -> bool:
        return not spec.whole and not spec.is_mask

    def is_ids(self, spec: InputSpec) -> bool:
        return spec.whole and not spec.is_mask and not spec.is_length

    def is_sequence(self, spec: InputSpec) -> bool:
        """Whether its inputs can be padded: rows of ids, or of vectors."""
        return len(spec.shape) == (1 if self.is_ids(spec) else 2) and not spec.is_mask and not spec.is_length

    def made(self, name: str, why: str, count: int, make: Callable[[InputSpec, np.ndarray], np.ndarray]) -> InputSet:
        """A set of drawn inputs, which `make` changes one by one; by default nothing is padded."""
        arrays = {}
        for key, spec in zip(input_keys(self.specs), self.specs, strict=True):
            drawn = drawn_input(spec, count, self.draw, self.images)
            if self.steps and (self.is_mask(spec) or spec.is_length):
                drawn = self.about([self.steps] * count, spec, front=False)
            arrays[key] = make(spec, drawn)
        return InputSet(name, arrays, why)

    def about(self, lengths: Sequence[int], spec: InputSpec, *, front: bool) -> np.ndarray:
        """What a mask or an input of lengths says of sequences of these lengths."""
        dtype = bool if spec.dtype == "bool" else np.int64 if spec.whole else np.float32
        if spec.is_length:
            shaped = np.array(lengths).reshape(-1, *spec.shape)
            return np.minimum(shaped, spec.limit - 1) if spec.tokens else shaped
        return _real(lengths, spec.shape[0], front=front).astype(dtype)

    def drawn(self, name: str, count: int, why: str) -> InputSet:
        return self.made(name, why, count, lambda spec, drawn: drawn)

    def changed(self, name: str, count: int, change: Callable[[np.ndarray], np.ndarray], why: str) -> InputSet:
        return self.made(name, why, count, lambda spec, x: change(x) if self.is_float(spec) else x)

    def padded(
        self, name: str, lengths: Sequence[int], why: str, *, front: bool = False, typical: bool = True
    ) -> InputSet:
        """Sequences of these lengths: ids from 1 on and vectors, filled up with 0."""

        def make(spec: InputSpec, drawn: np.ndarray) -> np.ndarray:
            if self.is_mask(spec) or spec.is_length:
                return self.about(lengths, spec, front=front)
            if not self.is_sequence(spec):
                return drawn
            if self.is_ids(spec) and spec.limit > 1:
                drawn = 1 + drawn % (spec.limit - 1)
            real = _real(lengths, spec.shape[0], front=front)
            return np.where(real.reshape(*real.shape, *[1] * (drawn.ndim - 2)), drawn, drawn.dtype.type(0))

        return replace(self.made(name, why, len(lengths), make), typical=typical, apart=True)

    def special(self, special: Sequence[int], name: str, *, typical: bool = True) -> InputSet:
        """These ids among the drawn ones, at the ends and inside; -1 is the last one."""

        def make(spec: InputSpec, drawn: np.ndarray) -> np.ndarray:
            if not self.is_ids(spec):
                return drawn
            rows = drawn.reshape(len(drawn), -1)
            ids = list(dict.fromkeys(id_ % spec.limit for id_ in special))
            size = rows.shape[1]
            for row in range(len(rows)):
                for index, id_ in enumerate(ids):
                    rows[row, (row + index * max(1, size // len(ids))) % size] = id_
            return drawn

        made = self.made(name, "ids that embeddings, masks and tables treat apart", ROWS, make)
        return replace(made, typical=typical, apart=True)

    def with_holes(self) -> InputSet:
        """Masks that no length says, with something real in every row."""

        def make(spec: InputSpec, drawn: np.ndarray) -> np.ndarray:
            if not self.is_mask(spec):
                return drawn
            real = self.draw.random(drawn.shape) < 0.5
            real[np.arange(len(real)), self.draw.integers(0, real.shape[1], len(real))] = True
            return real.astype(drawn.dtype)

        made = self.made("masks with holes", "masks that are taken for lengths, and their sense", ROWS, make)
        return replace(made, apart=True)

    def equal_tokens(self) -> InputSet:
        def make(spec: InputSpec, drawn: np.ndarray) -> np.ndarray:
            if not self.is_ids(spec):
                return drawn
            ids = np.array([spec.limit - 1, min(1, spec.limit - 1)])
            return np.broadcast_to(ids.reshape(-1, *[1] * len(spec.shape)), drawn.shape).copy()

        return self.made("equal tokens", "what depends on where a token stands, and not on which it is", 2, make)


def _real(lengths: Sequence[int], steps: int, *, front: bool) -> np.ndarray:
    """Which elements of sequences are real: bool [n, steps]; `front`: the padding comes first."""
    at = np.arange(steps)[::-1] if front else np.arange(steps)
    return at[None] < np.minimum(lengths, steps)[:, None]


def user_inputs(text: str, specs: Sequence[InputSpec]) -> InputSet:
    """The user's own inputs.

    Args:
        text: `FILE.npz`, `FILE.npy`, or `package.module:callable`, which returns an array, several in a list or tuple,
            or a dictionary of them; with arguments or without. What it prints goes to standard error.
        specs: the models' inputs.

    Returns:
        A set of the name `text`: numbers as float32, whole numbers as int64.

    Raises:
        TargetError: the file or callable gives no inputs of this form; the message says which input is wrong and how.
    """
    given = _from_file(Path(text)) if text.endswith((".npz", ".npy")) else _from_callable(text)
    arrays = {
        key: _checked(f"--inputs {text}: {key!r}" if spec.name else f"--inputs {text}", spec, given_array)
        for key, spec, given_array in zip(input_keys(specs), specs, _in_order(text, specs, given), strict=True)
    }
    counts = {key: len(array) for key, array in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{count} of {key!r}" for key, count in counts.items())
        raise TargetError(f"--inputs {text}: expected as many of each input, found {listed}")
    return InputSet(text, arrays, "the user's own")


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise TargetError(f"--inputs {path}: no such file; expected a .npz of one array for each input")
    try:
        held = np.load(path, allow_pickle=False)
        return held if isinstance(held, np.ndarray) else {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError) as error:
        raise TargetError(f"--inputs {path}: cannot be read as arrays of numbers: {error}") from error
    except Exception as error:  # a damaged zip file has errors of its own
        raise TargetError(f"--inputs {path}: cannot be read: {error}") from error


def _from_callable(text: str) -> Any:
    target = parse(text)
    if target.file is not None:
        raise TargetError(f"--inputs {text}: expected a .npz file or package.module:callable")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            made: Any = importlib.import_module(target.module)
            for part in target.attribute.split("."):
                made = getattr(made, part)
            return made(*target.args, **target.kwargs) if callable(made) else made
    except (Exception, SystemExit) as error:
        raise TargetError(f"--inputs {text}: {type(error).__name__}: {error}") from error


def _in_order(text: str, specs: Sequence[InputSpec], given: Any) -> list[Any]:
    """One array for each spec: by name where there are names, else in the order in which they are given."""
    if not isinstance(given, (dict, list, tuple)):
        given = [given]
    if len(given) != len(specs):
        found = ", ".join(map(repr, given)) if isinstance(given, dict) else str(len(given))
        listed = ", ".join(map(str, specs))
        raise TargetError(f"--inputs {text}: expected arrays for {len(specs)} inputs ({listed}), found {found}")
    if not isinstance(given, dict):
        return list(given)
    keys = input_keys(specs)
    if set(keys) == set(given):
        return [given[key] for key in keys]
    if any(spec.name for spec in specs) and len(specs) > 1:
        listed = ", ".join(map(repr, keys))
        raise TargetError(f"--inputs {text}: expected the names {listed}, found {', '.join(map(repr, given))}")
    return list(given.values())


def _checked(where: str, spec: InputSpec, given: Any) -> np.ndarray:
    """One input's array, in the type that the models are given."""
    array = np.asarray(given.numpy() if hasattr(given, "numpy") else given)
    expected = "[n, " + ", ".join(map(str, spec.shape)) + "]" if spec.shape else "[n]"
    if array.dtype.kind not in "biuf":
        raise TargetError(f"{where}: expected numbers, found an array of dtype {array.dtype}")
    if array.ndim != len(spec.shape) + 1 or list(array.shape[1:]) != spec.shape or not len(array):
        raise TargetError(f"{where}: expected the shape {expected}, n at least 1, found {list(array.shape)}")
    if array.dtype.kind == "f" and not all_finite(array):
        place = np.argwhere(~np.isfinite(array))[0].tolist()
        raise TargetError(f"{where}: holds NaN or infinity, first at {place}; expected numbers")
    if spec.dtype == "bool":
        if not np.isin(array, (0, 1)).all():
            raise TargetError(f"{where}: expected True and False, or 1 and 0, found {array.max()}")
        return array.astype(bool)
    if not spec.whole:
        return array.astype(np.float32)
    if array.dtype.kind == "f":
        raise TargetError(f"{where}: expected whole numbers, found an array of dtype {array.dtype}")
    if spec.tokens and (array.min() < 0 or array.max() >= spec.tokens):
        outside = array.min() if array.min() < 0 else array.max()
        raise TargetError(f"{where}: expected whole numbers from 0 to {spec.tokens - 1}, found {outside}")
    return array.astype(np.int64)
