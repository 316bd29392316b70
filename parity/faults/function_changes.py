"""The traps that resizes, paddings, arithmetic and what moves numbers can fall into."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from parity.faults.pair_change import Change, Site, call_gives, label_of, repaired, set_attribute


def _resize(site: Site) -> Iterator[Change]:
    linear = site.step.numbers["method"] == "linear"
    if len(site.makes) != 4:
        return
    if linear:
        other = not site.step.numbers.get("aligned_corners", False)
        words = (*label_of(site, "aligned_corners"), *label_of(site, "half_pixels"))
        changed = f"call(x, *rest, **{{**options, 'align_corners': {other}}})"
        yield Change(
            "resize",
            "other corners",
            set_attribute("align_corners", other) if site.alone else call_gives(changed),
            words,
        )
    mode = "nearest" if linear else "bilinear"
    changed = f"call(x, *rest, **{{**options, 'mode': {mode!r}, 'align_corners': False}})"
    statement = (
        f"layers[name].mode, layers[name].align_corners = {mode!r}, False" if site.alone else call_gives(changed)
    )
    yield Change("resize", mode, statement, label_of(site, "method"))


def _pad(site: Site) -> Iterator[Change]:
    number = "sides" if site.step.kind == "pad" else "padding"
    sides = [list(pair) for pair in site.step.numbers[number]]
    moved = [[b, a] if a != b else [a - 1, b + 1] if a else [a, b] for a, b in sides]
    if moved != sides:
        yield from repaired(site, "same-pad", "padding on the other side", number, moved)
    if not site.step.layer:
        mode = site.step.numbers.get("mode", "constant")
        other = "replicate" if mode == "constant" else "constant"
        words = ("mode", "pad")
        yield Change(
            "padding-mode", other, call_gives(f"call(x, *rest[:1], **{{**options, 'mode': {other!r}}})"), words
        )


def _concat(site: Site) -> Iterator[Change]:
    yield Change("concat-order", "reversed", call_gives("call(list(reversed(x)), *rest, **options)"), ("order",))


def _add(site: Site) -> Iterator[Change]:
    if len(site.takes) == 2 and site.takes[0] == site.takes[1] == site.makes:
        words = ("exists in TensorFlow only", "add")
        yield Change("residual", "without its second term", call_gives("x"), words)


def _operands(site: Site) -> Iterator[Change]:
    if len(site.takes) == 2:
        yield Change(
            "operands", "exchanged", call_gives("call(rest[0], x, *rest[1:], **options)"), ("order", "operand")
        )


def _scale(site: Site) -> Iterator[Change]:
    if not site.step.layer and "dropout" not in site.step.numbers:
        words = (*label_of(site, "scale"), *label_of(site, "offset"))
        if isinstance(site.step.numbers["scale"], (int, float)) and site.step.numbers["scale"] != 1:
            statement = (
                "def change(call, x, *rest, **options):\n"
                "    half = [0.5 * one if isinstance(one, (int, float)) else one for one in rest]\n"
                "    return call(x, *half, **options) if half != [*rest] else call(x, *rest, **options) * 0.5\n\n"
                "change_call(model, names, change)"
            )
            yield Change("scale", "another factor", statement, words)


def _clip(site: Site) -> Iterator[Change]:
    numbers = site.step.numbers
    words = (*label_of(site, "smallest"), *label_of(site, "largest"), "exists in TensorFlow only")
    yield Change("act-clipped", "without the clip", call_gives("x"), words)
    if numbers["largest"] is not None:
        bound = numbers["largest"] * 1.25 + (numbers["largest"] == 0)
        smallest = "" if numbers["smallest"] is None else f", min={numbers['smallest']}"
        yield Change("act-clipped", "other bound", call_gives(f"paddle.clip(x{smallest}, max={bound})"), words)


def _reduce(site: Site) -> Iterator[Change]:
    function = site.step.numbers["function"]
    other = {"mean": "sum", "sum": "mean", "max": "mean", "min": "mean"}.get(function)
    if other is not None and not site.step.layer:
        statement = call_gives(f"paddle.{other}(x, *rest, **options)")
        words = (*label_of(site, "function"), "reduce", "by which other steps are seen")  # of lengths of sequences
        yield Change("reduction", f"{other} for {function}", statement, words)


def _slice(site: Site) -> Iterator[Change]:
    index = site.step.numbers["index"]
    if sum(isinstance(part, int) for part in index[1:]) == 1 and not site.step.layer:
        statement = (
            "def other(part, extent):\n"
            "    return part if not isinstance(part, int) else 0 if part % extent == extent - 1 else extent - 1\n\n"
            "def change(call, x, item):\n"
            "    parts = item if isinstance(item, tuple) else (item,)\n"
            "    return call(x, tuple(other(part, size) for part, size in zip(parts, x.shape)))\n\n"
            "change_call(model, names, change)"
        )
        yield Change("recurrent-end", "another step", statement, (*label_of(site, "index"), "slice"))


def _normalize(site: Site) -> Iterator[Change]:
    changed = "{**options, 'epsilon': 0.1}"
    yield Change("norm-epsilon", "floor 0.1", call_gives(f"call(x, *rest[:2], **{changed})"), label_of(site, "floor"))


def _where(site: Site) -> Iterator[Change]:
    yield Change("mask", "opposite sense", call_gives("call(x, rest[1], rest[0])"), ("where", "mask"))


def _compare(site: Site) -> Iterator[Change]:
    yield Change(
        "mask", "opposite sense", call_gives("paddle.logical_not(call(x, *rest, **options))"), ("compare", "mask")
    )


FUNCTIONS: dict[str, Callable[[Site], Iterator[Change]]] = {
    "resize": _resize,
    "zero_pad": _pad,
    "pad": _pad,
    "concat": _concat,
    "add": _add,
    "subtract": _operands,
    "divide": _operands,
    "scale": _scale,
    "clip": _clip,
    "reduce": _reduce,
    "slice": _slice,
    "normalize": _normalize,
    "where": _where,
    "compare": _compare,
}
