"""From a comparison to the record of a proof."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from parity.numerics.comparison import Comparison
from parity.proofs.context import ProofContext
from parity.records.levels import LEVELS
from parity.records.records import OwnGap, Proof


def make_proof(
    context: ProofContext,
    level: int,
    compared: Mapping[str, int],
    problems: Sequence[str],
    worst: Comparison | None = None,
    frameworks: Mapping[str, OwnGap] | None = None,
) -> Proof:
    """The proof of a level for a network of the catalogue; it fails where nothing was measured.

    Args:
        context: the network and the data that it was proven on.
        level: number of the level, see `parity.records.levels`.
        compared: how many arrays, numbers, steps and so on were compared, each by a word for the report.
        problems: what is wrong, one line each, for the user.
        worst: the comparison with the largest gap for its limit; its gap is the proof's.
        frameworks: the worst gap of each framework's own comparison, where the level has these.

    Returns:
        As `proof_of`; failed also where `worst` is None or has no gap.
    """
    proof = proof_of(
        context.network.name, context.dataset.title, level, compared, problems, worst, frameworks=frameworks
    )
    return proof if proof.gap is not None else replace(proof, passed=False)


def proof_of(
    name: str,
    dataset: str,
    level: int,
    compared: Mapping[str, int],
    problems: Sequence[str],
    worst: Comparison | None = None,
    *,
    frameworks: Mapping[str, OwnGap] | None = None,
) -> Proof:
    """The proof of a level for a network or a pair of models: passed if something was compared and nothing was wrong.

    Args:
        name: of the network or the pair.
        dataset: title of the data.
        level: number of the level, see `parity.records.levels`.
        compared: how many arrays, numbers, steps and so on were compared; the proof fails where one of them is 0.
        problems: what is wrong, one line each, for the user.
        worst: the comparison with the largest gap for its limit.
        frameworks: the worst gap of each framework's own comparison.

    Returns:
        The record, without causes and with 0 seconds.
    """
    gap = worst.worst if worst else None
    first = worst.first_failure if worst else None
    return Proof(
        network=name,
        level=level,
        title=LEVELS[level],
        passed=not problems and bool(compared) and all(compared.values()),
        dataset=dataset,
        compared=dict(compared),
        gap=gap.gap if gap else None,
        limit=gap.limit if gap else None,
        worst=gap.name if gap else None,
        first_failure=first.name if first else None,
        frameworks=dict(frameworks or {}),
        problems=list(problems),
    )


def by_framework(comparisons: Mapping[str, Comparison]) -> dict[str, OwnGap]:
    """The worst gap of each framework's own comparison, for a proof's record.

    Args:
        comparisons: by framework.

    Returns:
        By framework; one that compared nothing is left out.
    """
    return {
        name: OwnGap(comparison.worst.gap, comparison.worst.limit, comparison.worst.name)
        for name, comparison in comparisons.items()
        if comparison.worst
    }


def worst_of(comparisons: Iterable[Comparison]) -> Comparison:
    """The comparison with the largest gap in units of its limit. One that compared nothing is worse than any.

    Args:
        comparisons: at least one.

    Returns:
        The first of the worst.
    """
    return max(comparisons, key=lambda comparison: comparison.worst.severity if comparison.worst else math.inf)
