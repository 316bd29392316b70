"""What `parity compare` is known not to say yet of pairs in `tests/migration/pairs`, and why.

A list to be emptied: `tests/migration/test_pairs.py` fails where a pair lacks more than is written here, and where it
lacks less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shortcoming:
    """Of one pair.

    Attributes:
        demands: that are not met: "layer", "cause".
        reason: what is said instead.
    """

    demands: tuple[str, ...]
    reason: str


def _of(demands: str, reason: str, *names: str) -> dict[str, Shortcoming]:
    return dict.fromkeys(names, Shortcoming(tuple(demands.split()), reason))


def _joined(parts: Sequence[dict[str, Shortcoming]]) -> dict[str, Shortcoming]:
    joined = {name: known for part in parts for name, known in part.items()}
    assert len(joined) == sum(map(len, parts))
    return joined


SHORTCOMINGS: dict[str, Shortcoming] = {}
