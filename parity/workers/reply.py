"""The reply of a verb."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from parity.numerics.arrays import Arrays


@dataclass(frozen=True)
class Reply:
    """Plain JSON values and named arrays."""

    result: dict[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
