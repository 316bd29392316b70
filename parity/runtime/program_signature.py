"""The inputs that a saved program was saved for, and whether a user's fit them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parity.catalogue.targets import TargetError
from parity.catalogue.user_models import InputSpec, input_keys
from parity.runtime.call_arguments import Parameters, assigned
from parity.runtime.calling import Axes
from parity.runtime.user_models import BuildSpec


@dataclass(frozen=True)
class SignatureInput:
    """An input of a saved program.

    Attributes:
        name: as the file has it; may be empty.
        shape: in the framework's own order, batch included; None, or a negative number, for any size.
        dtype: such as "float32".
    """

    name: str
    shape: Sequence[int | None] | None
    dtype: str

    def __str__(self) -> str:
        sizes = ["?" if size is None or size < 0 else str(size) for size in self.shape or ()]
        return f"{self.name} [{', '.join(sizes)}] {self.dtype}".strip()


def fits(signature: SignatureInput, spec: InputSpec, axes: Axes) -> bool:
    """Whether an input of a saved program takes an input of this form.

    Args:
        signature: the program's.
        spec: the user's.
        axes: the order in which the input's axes are given, as in `Calling`.

    Returns:
        Whether rank, sizes and kind of number agree.
    """
    floating = not spec.whole and spec.dtype != "bool"
    if ("float" in signature.dtype) != floating:
        return False
    if signature.shape is None:
        return True
    shape = [(-1, *spec.shape)[place] for place in axes]
    return len(shape) == len(signature.shape) and all(
        own is None or own < 0 or own == size or size < 0 for own, size in zip(signature.shape, shape, strict=True)
    )


def check_signature(
    spec: BuildSpec, signature: Sequence[SignatureInput], orders: Sequence[tuple[Axes, ...]]
) -> list[tuple[Axes, ...]]:
    """The orders of axes under which a saved program takes the given inputs.

    Args:
        spec: the model with its inputs.
        signature: of the program.
        orders: that are possible.

    Returns:
        Those of `orders` that fit, at least one.

    Raises:
        TargetError: none fits; it says what the program takes.
    """
    listed = "; ".join(map(str, signature))
    names = [one.name or str(index) for index, one in enumerate(signature)]
    pairs = dict(zip(input_keys(spec.inputs), enumerate(spec.inputs), strict=True))
    try:
        given = assigned(pairs, Parameters(names, len(names)))
    except TargetError as error:
        raise TargetError(f"{spec.target!r}: {error}; the file's inputs are {listed}") from None
    chosen = [
        order
        for order in orders
        if all(fits(one, given[name][1], order[given[name][0]]) for name, one in zip(names, signature, strict=True))
    ]
    if not chosen:
        raise TargetError(
            f"{spec.target!r} was saved for other inputs: expected {listed}, batch included, in the framework's own "
            f"order of axes; found {spec.inputs_text}"
        )
    if fixed := [one for one in signature if one.shape and one.shape[0] is not None and one.shape[0] >= 0]:
        raise TargetError(
            f"{spec.target!r} was saved for batches of {fixed[0].shape[0]} only ({fixed[0]}); expected any size: save "  # type: ignore[index]
            "it with None for the first axis"
        )
    return chosen
