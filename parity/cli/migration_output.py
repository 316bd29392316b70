"""What the terminal shows of a user's pair of models: the verdict of a comparison, a conversion."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from parity.printable import few

if TYPE_CHECKING:
    from parity.migration.convert import Conversion
    from parity.records.records import Migration, OwnArray, OwnWeights


def migration_lines(migration: Migration) -> list[str]:
    """The verdict on a user's pair of models, what differs, and how to fix it, line by line."""
    from parity.catalogue.traps import TRAPS
    from parity.records.records import grouped

    first = "with the suggested changes, " if migration.fixed else ""
    lines = [
        f"{first}{migration.verdict}{_own_words(migration)}: {migration.first} / {migration.second}, "
        f"{len(migration.stages)} layers and functions matched"
    ]
    lines += _own_lines(migration.own) if migration.own else []
    for cause, stages in grouped(migration.causes):
        trap = TRAPS.get(cause.trap)
        lines.append(f"cause ({cause.trap or 'no known trap'}, {_occurrences(len(stages))}): {cause.text}")
        if trap:
            lines.append(f"  what to do: {trap.fix}")
    lines += [f"ambiguous: {line}" for line in migration.ambiguous]
    lines += [f"note: {line}" for line in migration.remarks]
    lines += [f"in training only: {line}" for line in migration.training]
    if migration.impact:
        share = f"{migration.impact.changed} of {migration.impact.inputs}"
        lines.append(f"decision impact: with the TensorFlow model's own weights, {share} inputs change their class")
    if migration.fix and not migration.fixed:
        lines += [
            "",
            "the changes that --apply-fixes makes to the Paddle model:",
            "",
            *migration.fix.rstrip().splitlines(),
        ]
    return [*lines, *(f"by hand: {line}" for line in migration.by_hand)]


def _own_words(migration: Migration) -> str:
    """What a verdict of models with their own weights says beyond the word."""
    if migration.own is None:
        return ""
    kinds = migration.own.roundings if migration.equal else {}
    rounded = [f"{kind} rounding of {_counted(count, 'array')}" for kind, count in kinds.items()]
    return " with own weights" + (f", up to {' and '.join(rounded)}" if rounded else "")


def _own_lines(own: OwnWeights) -> list[str]:
    """Both models with their own weights: arrays, outputs, why they are not equal."""
    counts = Counter(one.state for one in own.arrays)
    others = [one for one in own.arrays if one.state == "other"]
    parts = [f"{_counted(counts['same bits'], 'array')} with the same bits"]
    parts += [f"{count} rounded to {kind}" for kind, count in own.roundings.items()]
    parts += [f"{len(others)} other: {few([_other(one) for one in others], 4)}"] if others else []
    lines = [f"weights: {', '.join(parts)}"]
    left = [one for one in own.alone if not one.idle]
    lines += [f"weights: without a counterpart: {few([f'{one.name} ({one.why})' for one in left], 6)}"] if left else []
    gap = "not a number" if own.gap is None else f"{own.gap:.1e}"
    limit = "" if own.limit is None else f", limit {own.limit:.1e}"
    outputs = f"outputs with own weights: {own.inputs} inputs ({own.title}), {own.sets} sets: largest gap {gap}{limit}"
    lines.append(outputs)
    tops = [(1, own.top1), (5, own.top5)]
    agreeing = [f"top-{top} agreement {count} of {own.inputs}" for top, count in tops if count is not None]
    lines += [", ".join(agreeing)] if agreeing else []
    return [*lines, *(f"{own.verdict}: {reason}" for reason in own.reasons)]


def _other(one: OwnArray) -> str:
    return f"{one.name}, " + (f"gap {one.gap:.1e}" if one.gap is not None else "not a number")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _occurrences(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"


def conversion_lines(conversion: Conversion) -> list[str]:
    """What the terminal shows of a conversion, line by line.

    Args:
        conversion: that succeeded or was refused.

    Returns:
        Of a refused one the problems; else counts, the proof, and code that the model needs.
    """
    from parity.migration.convert import FILE_TITLES

    files, proof = conversion.files, conversion.proof
    notes = [f"note: {note}" for note in conversion.notes]
    if conversion.problems:
        lines = [f"not converted, {files.destination} was not written:", *(f"  {line}" for line in conversion.problems)]
        advice = "`parity compare` with the same models shows the causes and how to fix them."
        return [*lines, *([advice] if proof else []), *notes]
    assert proof is not None
    source, destination = FILE_TITLES[files.source_framework], FILE_TITLES[files.destination_framework]
    lines = [
        f"converted: {files.source} ({source}) -> {files.destination} ({destination})",
        f"{conversion.arrays} arrays of {conversion.elements:,} elements, read back from the new file bit for bit",
        f"float64 forward on {proof.dataset}: {proof.compared['stages']} layers and functions agree, largest gap "
        f"{proof.gap:.1e} at {proof.worst!r}, limit {proof.limit:.1e}",
        *notes,
    ]
    return [*lines, "", *conversion.fix.rstrip().splitlines()] if conversion.fix else lines
