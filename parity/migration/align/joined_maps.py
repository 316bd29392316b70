"""Several TensorFlow layers that compute what one of Paddle does: the outputs of their kernels side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from parity.migration.align.array_roles import role
from parity.weights.parts import Part, Piece, Pieces, Shapes, Term


def joined(layers: Sequence[Shapes], targets: Shapes, heads: Sequence[int] = ()) -> Iterator[Pieces]:
    """One Paddle layer that computes what several TensorFlow layers do: their kernels side by side.

    Args:
        layers: shapes of each TensorFlow layer's arrays by name: a kernel [in, out] or [in, heads, size], and a bias.
        targets: shapes of the Paddle layer's: a kernel [in, sum of out] or the reverse, and a bias.
        heads: numbers of heads by which outputs of the layers may be interleaved.

    Yields:
        Pieces for every array of `targets`.
    """
    kernels = [[name for name in layer if role(name) == "kernel"] for layer in layers]
    biases = [[n for n in layer if n not in own] for layer, own in zip(layers, kernels, strict=True)]
    if any(len(own) != 1 for own in kernels) or len({len(own) for own in biases}) != 1 or len(biases[0]) > 1:
        return
    target_kernels = [name for name, shape in targets.items() if len(shape) > 1]
    target_biases = [name for name in targets if name not in target_kernels]
    if len(target_kernels) != 1 or len(target_biases) != len(biases[0]):
        return
    shapes = [layer[own[0]] for layer, own in zip(layers, kernels, strict=True)]
    into = shapes[0][0] if len(shapes[0]) == 2 else _in_of(layers[0], kernels[0][0], biases[0])
    if any(math.prod(shape) % into for shape in shapes):
        return
    outs = [math.prod(shape) // into for shape in shapes]
    target = targets[target_kernels[0]]
    rows_first = target == (into, sum(outs))
    if not rows_first and target != (sum(outs), into):
        return
    for order in itertools.permutations(range(len(layers))):
        for interleaved in (1, *heads):
            if any(outs[number] % interleaved for number in order):
                continue
            pieces: Pieces = {name: [] for name in targets}
            start = 0
            width = sum(out // interleaved for out in outs)
            for number in order:
                size = outs[number] // interleaved
                stop = start + size
                own = Part((into, interleaved, size), (0, 1, 2))
                if rows_first:
                    put = Part((into, interleaved, width), (0, 1, 2), (0, 0, start), (into, interleaved, stop))
                else:
                    put = Part((interleaved, width, into), (2, 0, 1), (0, start, 0), (interleaved, stop, into))
                pieces[target_kernels[0]].append(Piece(put, (Term(kernels[number][0], own),)))
                if target_biases:
                    put = Part((interleaved, width), (0, 1), (0, start), (interleaved, stop))
                    pieces[target_biases[0]].append(
                        Piece(put, (Term(biases[number][0], Part((interleaved, size), (0, 1))),))
                    )
                start = stop
            yield pieces


def joined_convolutions(layers: Sequence[Shapes], targets: Shapes) -> Iterator[Pieces]:
    """One Paddle convolution that gives the maps of several TensorFlow convolutions one after the other.

    Args:
        layers: shapes of each TensorFlow layer's arrays by name: a kernel [*extents, in, out], and a bias [out].
        targets: shapes of the Paddle layer's: a kernel [sum of out, in, *extents], and a bias.

    Yields:
        Pieces for every array of `targets`.
    """
    kernels = [next((name for name, shape in layer.items() if len(shape) > 2), "") for layer in layers]
    biases = [[name for name, shape in layer.items() if len(shape) == 1] for layer in layers]
    target = next((name for name, shape in targets.items() if len(shape) > 2), "")
    target_biases = [name for name, shape in targets.items() if len(shape) == 1]
    arrays = [len(layer) - 1 for layer in layers]
    if not all(kernels) or not target or {*arrays, *map(len, biases)} != {len(target_biases)} or len(targets) > 2:
        return
    shapes = [layer[kernel] for layer, kernel in zip(layers, kernels, strict=True)]
    whole = targets[target]
    if {shape[:-1] for shape in shapes} != {(*whole[2:], whole[1])} or sum(shape[-1] for shape in shapes) != whole[0]:
        return
    axes = len(whole)
    for order in itertools.permutations(range(len(layers))):
        pieces: Pieces = {name: [] for name in targets}
        start = 0
        for number in order:
            stop = start + shapes[number][-1]
            own = Part(shapes[number], (axes - 1, axes - 2, *range(axes - 2)))
            put = Part(whole, tuple(range(axes)), (start, *[0] * (axes - 1)), (stop, *whole[1:]))
            pieces[target].append(Piece(put, (Term(kernels[number], own),)))
            for name, bias in zip(target_biases, biases[number], strict=True):
                put = Part((whole[0],), (0,), (start,), (stop,))
                pieces[name].append(Piece(put, (Term(bias, Part.whole((stop - start,))),)))
            start = stop
        yield pieces


def _in_of(layer: Shapes, kernel: str, biases: Sequence[str]) -> int:
    """The extent of a kernel's input: what its bias does not have."""
    return math.prod(layer[kernel]) // math.prod(layer[biases[0]]) if biases else layer[kernel][0]
