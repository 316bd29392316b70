"""Layers that are added, where one layer of the other model takes what all of them take, one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from parity.weights.parts import Part, Piece, Pieces, Shapes, Term

Order = tuple[int, ...]  # of a TensorFlow kernel's axes [*extents, in, out], as Paddle has them


def added(sources: Shapes, layers: Sequence[Shapes]) -> Iterator[Pieces]:
    """Several Paddle layers that are added, where a TensorFlow layer takes what they take, one after the other.

    Args:
        sources: shapes of the TensorFlow layer's arrays by name: a kernel [*extents, in, out], and a bias [out].
        layers: the same of each Paddle layer: a kernel [out, in, *extents], or of a dense layer [in, out]; one of them
            has a bias.

    Yields:
        Pieces for every array of the layers.
    """
    kernels, biases = _kernels_and_biases([sources])
    theirs, vectors = _kernels_and_biases(layers)
    if len(kernels) != 1 or len(biases) > 1 or len(vectors) != len(biases) or len(theirs) != len(layers):
        return
    whole = sources[kernels[0]]
    for order in _orders(len(whole)):
        axis = order.index(len(whole) - 2)
        shapes = [layer[name] for layer, name in zip(layers, theirs, strict=True)]
        ins = [shape[axis] for shape in shapes]
        if sum(ins) != whole[-2] or any(
            shape != _turned((*whole[:-2], each, whole[-1]), order) for shape, each in zip(shapes, ins, strict=True)
        ):
            continue
        for places in itertools.permutations(range(len(layers))):
            pieces = _copied(biases, vectors, whole[-1])
            for number, (start, stop) in zip(places, _spans([ins[number] for number in places]), strict=True):
                own = Part(whole, order, *_features(whole, len(whole) - 2, start, stop))
                pieces[theirs[number]] = [Piece(Part.whole(shapes[number]), (Term(kernels[0], own),))]
            yield pieces


def appended(layers: Sequence[Shapes], targets: Shapes) -> Iterator[Pieces]:
    """One Paddle layer that takes one after the other what several TensorFlow layers take, which are added.

    Args:
        layers: shapes of each TensorFlow layer's arrays by name: a kernel [*extents, in, out]; one of them has a bias.
        targets: shapes of the Paddle layer's: a kernel [out, sum of in, *extents] or of a dense layer [sum of in, out],
            and a bias.

    Yields:
        Pieces for every array of `targets`.
    """
    kernels, biases = _kernels_and_biases(layers)
    theirs, vectors = _kernels_and_biases([targets])
    if len(theirs) != 1 or len(vectors) > 1 or len(vectors) != len(biases) or len(kernels) != len(layers):
        return
    shapes = [layer[name] for layer, name in zip(layers, kernels, strict=True)]
    *extents, _, out = shapes[0]
    if any((*shape[:-2], shape[-1]) != (*extents, out) for shape in shapes):
        return
    whole = targets[theirs[0]]
    for order in _orders(len(shapes[0])):
        if whole != _turned((*extents, sum(shape[-2] for shape in shapes), out), order):
            continue
        axis = order.index(len(whole) - 2)
        for places in itertools.permutations(range(len(layers))):
            pieces = _copied(biases, vectors, out) | {theirs[0]: []}
            for number, (start, stop) in zip(places, _spans([shapes[number][-2] for number in places]), strict=True):
                put = Part(whole, tuple(range(len(whole))), *_features(whole, axis, start, stop))
                pieces[theirs[0]].append(Piece(put, (Term(kernels[number], Part(shapes[number], order)),)))
            yield pieces


def _kernels_and_biases(layers: Sequence[Shapes]) -> tuple[list[str], list[str]]:
    """The arrays of layers, those of several axes first; no kernels where a layer has none or several."""
    kernels = [[name for name, shape in layer.items() if len(shape) > 1] for layer in layers]
    biases = [name for layer, own in zip(layers, kernels, strict=True) for name in layer if name not in own]
    return [own[0] for own in kernels] if all(len(own) == 1 for own in kernels) else [], biases


def _orders(axes: int) -> list[Order]:
    """As Paddle has a kernel's axes: the outputs first, and of a dense layer also as TensorFlow does."""
    turned = (axes - 1, axes - 2, *range(axes - 2))
    return [turned, (0, 1)] if axes == 2 else [turned]


def _turned(shape: Sequence[int], order: Order) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in order)


def _copied(biases: Sequence[str], vectors: Sequence[str], size: int) -> Pieces:
    whole = Part.whole((size,))
    return {name: [Piece(whole, (Term(bias, whole),))] for name, bias in zip(vectors, biases, strict=True)}


def _spans(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each of several blocks begins and ends that stand one after the other."""
    return itertools.pairwise(itertools.accumulate(sizes, initial=0))


def _features(shape: Sequence[int], axis: int, start: int, stop: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """First and last index, along every axis, of some of the features along one."""
    first, last = [0] * len(shape), list(shape)
    first[axis], last[axis] = start, stop
    return tuple(first), tuple(last)
