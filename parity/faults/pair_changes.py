"""The traps that a step of a Paddle model can fall into."""

from __future__ import annotations

from parity.faults.function_changes import FUNCTIONS
from parity.faults.layer_changes import LAYERS
from parity.faults.pair_change import Change, Site


def changes_of_site(site: Site) -> list[Change]:
    """Every wrong version of a step that is known.

    Args:
        site: where.

    Returns:
        None for a step of a kind without traps. Whether they change what the model computes is another question.
    """
    make = (LAYERS | FUNCTIONS).get(site.step.kind)
    return [change for change in make(site) if change.statement] if make else []
