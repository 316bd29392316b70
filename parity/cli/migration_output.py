"""What the terminal shows of a user's pair of models: the verdict of a comparison, a conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.migration.convert import Conversion
    from parity.records.records import Migration


def migration_lines(migration: Migration) -> list[str]:
    """The verdict on a user's pair of models, what differs, and how to fix it, line by line."""
    from parity.catalogue.traps import TRAPS
    from parity.records.records import grouped

    lines = [
        f"{migration.verdict}: {migration.first} / {migration.second}, "
        f"{len(migration.stages)} layers and functions matched"
    ]
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
    return [*lines, *_fix_lines(migration)]


def _fix_lines(migration: Migration) -> list[str]:
    from parity.catalogue.titles import TITLES

    lines = []
    if migration.changes:
        lines += [f"change in the {TITLES[migration.fix_framework]} model, made in memory and proven:"]
        lines += [f"  {line}" for line in migration.changes]
    lines += [f"by hand: {line}" for line in migration.by_hand]
    if migration.fixed:
        lines += ["", *migration.fix.rstrip().splitlines(), ""]
    if migration.fixed_verdict is not None:
        lines.append(f"with these changes: {migration.fixed_verdict}")
    return lines


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
