"""What the terminal shows of a user's pair of models."""

from __future__ import annotations

from parity.pair_diagnosis import grouped
from parity.results import Diagnosis, Migration
from parity.traps import TRAPS


def migration_lines(found: Migration) -> list[str]:
    """The verdict on a user's pair of models, what differs, and how to mend it."""
    first = "with the suggested changes, " if found.fixed else ""
    lines = [
        f"{first}{found.verdict}: {found.first} / {found.second}, {len(found.stages)} layers and functions matched"
    ]
    for cause, stages in grouped([Diagnosis(**each) for each in found.causes]):
        trap = TRAPS.get(cause.trap)
        lines.append(f"cause ({cause.trap or 'no known trap'}, {_places(len(stages))}): {cause.text}")
        if trap:
            lines.append(f"  what to do: {trap.fix}")
    lines += [f"ambiguous: {line}" for line in found.ambiguous]
    lines += [f"note: {line}" for line in found.remarks]
    lines += [f"in training only: {line}" for line in found.training]
    if found.impact:
        share = f"{found.impact['changed']} of {found.impact['inputs']}"
        lines.append(f"decision impact: with the TensorFlow model's own weights, {share} inputs change their class")
    if found.fix and not found.fixed:
        lines += ["", "the changes that --apply-fixes makes to the Paddle model:", "", *found.fix.rstrip().splitlines()]
    return [*lines, *(f"by hand: {line}" for line in found.by_hand)]


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"
