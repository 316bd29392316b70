"""The distributions of which arrays are drawn."""

from __future__ import annotations

from parity.weights.random_arrays import Law, law_of
from parity.workers.client.recorded_models import ArrayFacts


def law_for(name: str, fact: ArrayFacts) -> Law:
    """The distribution of which an array is drawn.

    Args:
        name: of the array.
        fact: what its model was built with.
    """
    return law_of(name, fact["shape"], fact["mean"], fact["deviation"])
