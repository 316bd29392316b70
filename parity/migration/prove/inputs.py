"""Inputs on which two models that differ give different numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.catalogue.user_models import InputSpec, input_keys
from parity.data.proof_inputs import resized, scaled
from parity.numerics.arrays import Arrays
from parity.weights.random_arrays import ENLARGED

LARGE, SMALL = 1e2, 1e-3  # factors of inputs that reach clips and saturations, and that reach neither

NEXT = 1e-5  # how far inputs are moved that would have ties

FEW_INPUTS = 64 * 64 * 3  # numbers of one input above which sets have two of them
MANY, FEW_NUMBERS = 32, 1024  # how many inputs reach clips and saturations, where one has few numbers

ROWS = 4  # of the sets of padded sequences: full, half, two and one

BATCH_NUMBERS, FEWEST, MOST = 2**18, 8, 64  # of one batch: numbers of its inputs, and how many of these


@dataclass(frozen=True)
class InputSet:
    """Inputs for one run of both models.

    Attributes:
        name: of the set, such as "padding at the end".
        arrays: by `input_keys`, [n, *shape] with the same n: float32, int64 or bool.
        why: what differs between models that these inputs show.
        typical: whether models are made for such inputs; a difference on others alone is a remark.
        enlarged: how far the models' weights reach beyond the usual ones meanwhile, see `enlarged`.
        apart: whether causes are looked for on these inputs, even where others have shown some.
        beyond: whether numbers are larger than models are made for, so that a mask of -10000 hides nothing any more.
    """

    name: str
    arrays: Arrays
    why: str
    typical: bool = True
    enlarged: float = 1.0
    apart: bool = False
    beyond: bool = False

    @property
    def count(self) -> int:
        """How many inputs of each kind."""
        return len(next(iter(self.arrays.values())))

    def batches(self) -> Iterator[InputSet]:
        """The same inputs in batches of a size that a model can take at once; one that is small enough as it is.

        Example:
            >>> [one.name for one in InputSet("mine", {"x": np.zeros((100, 4))}, "").batches()]
            ['mine, 0 to 63', 'mine, 64 to 99']
        """
        numbers = sum(math.prod(array.shape[1:]) for array in self.arrays.values())
        size = min(max(BATCH_NUMBERS // max(numbers, 1), FEWEST), MOST)
        if self.count <= size:
            yield self
            return
        for begin in range(0, self.count, size):
            arrays = {key: array[begin : begin + size] for key, array in self.arrays.items()}
            yield replace(self, arrays=arrays, name=f"{self.name}, {begin} to {min(begin + size, self.count) - 1}")


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


def usual_count(specs: Sequence[InputSpec]) -> int:
    """How many inputs the drawn sets have: fewer where they are large.

    Args:
        specs: the models' inputs.
    """
    return 4 if sum(math.prod(one.shape) for one in specs) <= FEW_INPUTS else 2


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
            replace(
                design.changed("large", many, lambda x: x * np.float32(LARGE), "clips and saturations of activations"),
                beyond=True,
            ),
            design.changed("small", 1, lambda x: x * np.float32(SMALL), "epsilons; what happens close to zero"),
        ]
    why = "clips and saturations that no inputs reach: others come before"
    reached = design.drawn("large weights", max(count, many), why)
    return [*sets, replace(reached, enlarged=ENLARGED, apart=True, beyond=True)]


def larger_weights(sets: Sequence[InputSet]) -> list[InputSet]:
    """Sets for two models with still larger weights, for what those of `designed_inputs` do not reach.

    Args:
        sets: of `designed_inputs`.

    Example:
        >>> sets = designed_inputs([InputSpec([4])], 0)
        >>> [(one.name, one.enlarged) for one in larger_weights(sets)]
        [('larger weights', 256.0), ('largest weights', 4096.0)]
    """
    large = next(one for one in sets if one.enlarged > 1)
    names = {2: "larger weights", 3: "largest weights"}
    return [replace(large, name=name, enlarged=ENLARGED**power) for power, name in names.items()]


def ended_inputs(
    specs: Sequence[InputSpec], seed: int, numbers: Sequence[float], images: np.ndarray | None = None
) -> list[InputSet]:
    """A set for each number that models look for in their inputs: sequences of several lengths that end in it.

    Args:
        specs: the models' inputs.
        seed: of all that is drawn.
        numbers: such as the `mask_value` of a layer.
        images: as in `drawn_input`.

    Example:
        >>> (ended_inputs([InputSpec([4, 1])], 0, [-1.0])[0].arrays["0"][2:, :, 0] == -1).tolist()
        [[False, False, True, True], [False, True, True, True]]
    """
    design, sets = _Design(specs, seed, images), []
    for number in numbers:

        def ended(x: np.ndarray, number: float = number) -> np.ndarray:
            made, steps = np.array(x), x.shape[1] if x.ndim > 1 else 0
            for row, length in zip(made, (steps, max(1, steps // 2), 2, 1), strict=False):
                row[length:] = number
            return made

        sets.append(design.changed(f"ends in {number:g}", ROWS, ended, "masks by value"))
    return sets


def without_ties(arrays: Arrays, seed: int) -> Arrays:
    """Inputs next to others, in which no two numbers are the same: whole numbers and masks stay as they are.

    Args:
        arrays: by `input_keys`.
        seed: of the changes.

    Example:
        >>> [len(set(x.ravel().tolist())) for x in without_ties({"x": np.zeros((2, 3), np.float32)}, 0).values()]
        [6]
    """
    draw = np.random.default_rng(seed)
    return {
        key: (array + NEXT * draw.uniform(-1, 1, array.shape)).astype(array.dtype) if array.dtype.kind == "f" else array
        for key, array in arrays.items()
    }


def likely_inputs(
    specs: Sequence[InputSpec], seed: int, count: int, name: str, images: np.ndarray | None = None
) -> InputSet:
    """Inputs such as models get them: real images, drawn numbers, and sequences every second of which ends in padding.

    Args:
        specs: the models' inputs.
        seed: of all that is drawn.
        count: how many.
        name: of the set.
        images: as in `drawn_input`.

    Example:
        >>> (likely_inputs([InputSpec([6], tokens=9)], 0, 4, "ids").arrays["0"].min(axis=1) > 0).tolist()
        [True, False, True, False]
    """
    design, why = _Design(specs, seed, images), "inputs as the models get them"
    if not design.steps or not any(design.is_ids(one) or design.is_mask(one) for one in specs):
        return design.drawn(name, count, why)
    lengths = [design.steps - (row % 2) * int(design.draw.integers(1, max(2, design.steps))) for row in range(count)]
    return replace(design.padded(name, [max(1, length) for length in lengths], why), apart=False)


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
