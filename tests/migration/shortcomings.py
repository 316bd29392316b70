"""What `parity compare` is known not to say yet of pairs in `tests/migration/pairs`, and why.

A list to be emptied: `tests/migration/test_pairs.py` fails where a pair lacks more than is written here, and where it
lacks less.
"""

from __future__ import annotations

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


SHORTCOMINGS: dict[str, Shortcoming] = {}
