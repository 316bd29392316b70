"""What the terminal shows of a user's pair of models: the verdict of a comparison, a conversion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from parity.printable import few

if TYPE_CHECKING:
    from parity.migration.conversion.convert import Conversion
    from parity.migration.prove.verdict import PairVerdict
    from parity.records.migrations import Migration, OwnArray


MOST = {
    "problem": 2,
    "reason": 3,
    "cause": 5,
    "note": 3,
    "training": 2,
    "by hand": 3,
    "change": 4,
}  # lines of each kind without --verbose


def verdict_line(decided: PairVerdict, names: str, *, own_weights: bool = False) -> str:
    """The verdict on a user's pair of models, as soon as it is known.

    Args:
        decided: it, and what it rests on.
        names: of the two models.
        own_weights: whether another verdict follows, of the models with their own weights.
    """
    first = "with drawn weights, " if own_weights else ""
    sets = [one for one in decided.outcomes if one.inputs.typical]
    differ = sum(not one.equal for one in sets)
    found = f"outputs differ on {differ} of {len(sets)}" if differ else f"outputs agree on {len(sets)}"
    trained = "" if decided.training is None or decided.training.passed else "; a pass in training mode differs"
    return f"{first}{decided.verdict}: {names}, {found} sets of inputs{trained}"


def migration_lines(migration: Migration, *, verbose: bool = False) -> list[str]:
    """What differs between a user's two models and how to fix it, line by line; the verdict was printed before.

    Args:
        migration: to show.
        verbose: whether to show all of it; else each list ends after some lines, with the number of those that follow.
    """
    parts = {
        "cause": _cause_lines(migration),
        "note": [f"note: {line}" for line in migration.ambiguous + migration.remarks],
        "training": [f"in training only: {line}" for line in migration.training],
    }
    lines = _own_lines(migration) if migration.own else []
    lines += [line for kind, listed in parts.items() for line in (listed if verbose else shortened(listed, MOST[kind]))]
    if migration.impact:
        lines.append(f"decision impact: with the TensorFlow model's own weights, {migration.impact.sentence}")
    return lines + _fix_lines(migration, verbose=verbose)


def _fix_lines(migration: Migration, *, verbose: bool) -> list[str]:
    """The changes that were made and proven, in the user's terms; their code where it was asked for."""
    from parity.catalogue.titles import TITLES

    lines = []
    changes, by_hand = [f"  {line}" for line in migration.changes], [f"by hand: {line}" for line in migration.by_hand]
    if changes:
        lines.append(f"change in the {TITLES[migration.fix_framework]} model, made in memory and proven:")
    lines += changes if verbose else shortened(changes, MOST["change"])
    lines += by_hand if verbose else shortened(by_hand, MOST["by hand"])
    if migration.fixed:
        lines += ["", *migration.fix.rstrip().splitlines(), ""]
    if migration.fixed_verdict is not None:
        lines.append(f"with these changes: {migration.fixed_verdict}")
    return lines


def shortened(lines: Sequence[str], most: int) -> list[str]:
    """The first lines, and how many follow.

    Example:
        >>> shortened(["a", "b", "c", "d"], 1)[1]
        '... and 3 more: --verbose shows all, -o FILE.md writes a report'
        >>> shortened(["a", "b"], 1)
        ['a', 'b']
    """
    if len(lines) <= most + 1:
        return list(lines)
    return [*lines[:most], f"... and {len(lines) - most} more: --verbose shows all, -o FILE.md writes a report"]


def _cause_lines(migration: Migration) -> list[str]:
    """What differs, each cause once, and what to do."""
    from parity.catalogue.pair_traps import PAIR_TRAPS
    from parity.records.migrations import grouped, places

    lines = []
    for cause, stages in grouped(migration.causes):
        fix = cause.advice or (PAIR_TRAPS[cause.trap].fix if cause.trap in PAIR_TRAPS else "")
        advice = f"\n  what to do: {fix}" if fix else ""
        lines.append(f"cause ({cause.trap or 'no known trap'}, {places(len(stages))}): {cause.text}{advice}")
    return lines


def _own_lines(migration: Migration) -> list[str]:
    """Both models with their own weights: the verdict, arrays, outputs, why they are not equal."""
    own = migration.own
    assert own is not None
    kinds = own.roundings if migration.equal else {}
    rounded = [f"{kind} rounding of {_counted(count, 'array')}" for kind, count in kinds.items()]
    upto = f", up to {' and '.join(rounded)}" if rounded else ""
    counts = Counter(one.state for one in own.arrays)
    others = [one for one in own.arrays if one.state == "other"]
    parts = [f"{_counted(counts['same bits'], 'array')} with the same bits"]
    for kind, count in own.roundings.items():
        names = few([one.name for one in own.arrays if one.rounding == kind], 4)
        parts.append(f"{count} rounded to {kind}: {names}" if count < len(own.arrays) else f"{count} rounded to {kind}")
    parts += [f"{len(others)} other: {few([_other(one) for one in others], 4)}"] if others else []
    lines = [f"{migration.verdict} with own weights{upto}: {migration.first} / {migration.second}"]
    lines.append(f"weights: {', '.join(parts)}")
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
    size = f"gap {one.gap:.1e}" if one.gap is not None else "not a number"
    return f"{one.name}, {size}" + (f" ({one.why})" if one.why else "")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def conversion_lines(conversion: Conversion) -> list[str]:
    """What the terminal shows of a conversion, line by line.

    Args:
        conversion: that succeeded or was refused.

    Returns:
        Of a refused one the problems; else counts, the proof, and code that the model needs.
    """
    from parity.migration.conversion.conversion_files import FILE_TITLES

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
