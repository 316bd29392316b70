"""What the terminal shows of a user's pair of models: the verdict of a comparison, a conversion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.migration.convert import Conversion
    from parity.records.records import Migration


def migration_lines(migration: Migration) -> list[str]:
    """The verdict on a user's pair of models, what differs, and how to fix it, line by line."""
    first = "with the suggested changes, " if migration.fixed else ""
    lines = [
        f"{first}{migration.verdict}: {migration.first} / {migration.second}, "
        f"{len(migration.stages)} layers and functions matched"
    ]
    lines += _cause_lines(migration)
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


def _cause_lines(migration: Migration) -> list[str]:
    """What differs, each cause once, and what to do."""
    from parity.catalogue.traps import TRAPS
    from parity.records.records import grouped

    lines = []
    for cause, stages in grouped(migration.causes):
        trap = TRAPS.get(cause.trap)
        lines.append(f"cause ({cause.trap or 'no known trap'}, {_occurrences(len(stages))}): {cause.text}")
        if trap:
            lines.append(f"  what to do: {trap.fix}")
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
    from parity.migration.conversion_files import FILE_TITLES

    files, agreement = conversion.files, conversion.agreement
    notes = [f"note: {note}" for note in conversion.notes]
    if conversion.problems:
        lines = [f"not converted, {files.destination} was not written:", *(f"  {line}" for line in conversion.problems)]
        migration = conversion.migration
        if not migration.equal:
            lines += _cause_lines(migration) or [f"  {line}" for proof in migration.proofs for line in proof.problems]
            mend = ", or let --apply-fixes change the Paddle model in memory" * bool(
                migration.fix and not migration.fixed
            )
            lines.append(f"Make the models equal{mend}: `parity compare` with the same models shows how.")
        return [*lines, *notes]
    assert agreement is not None
    source, destination = FILE_TITLES[files.source_framework], FILE_TITLES[files.destination_framework]
    lines = [
        f"converted: {files.source} ({source}) -> {files.destination} ({destination})",
        f"{conversion.arrays} arrays of {conversion.elements:,} elements, read back from the new file bit for bit",
        f"{agreement.precision} forward on {agreement.sets} designed sets of inputs: {agreement.elements:,} numbers of "
        f"the outputs agree, largest gap {agreement.gap:.1e}, limit {agreement.limit:.1e}",
        *notes,
    ]
    return [*lines, "", *conversion.migration.fix.rstrip().splitlines()] if conversion.migration.fixed else lines
