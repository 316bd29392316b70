"""One wrong version of a step of a Paddle model, as the Python statement that puts it in, and what such are made of.

A statement stands in `def fix(model)`: `name` is the step's, `layers` the model's layers by path,
`replace(model, layers[name], layer)` puts another layer there, and `change_call(model, names, change)` lets a call give
something else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from parity.kinds.kind import Kind
from parity.migration.align.recorded_graph import RecordedStep


@dataclass(frozen=True)
class Change:
    """One wrong version of a step.

    Attributes:
        trap: an id of `parity.catalogue.pair_traps.PAIR_TRAPS`.
        what: the form of the trap, in a few words.
        statement: that makes the step compute it.
        words: of which an explanation must say one, in any case of letters, unless it gives the trap's id.
        training: whether it shows in training mode only.
    """

    trap: str
    what: str
    statement: str
    words: tuple[str, ...]
    training: bool = False


@dataclass(frozen=True)
class Site:
    """A step of a traced Paddle model that a trap is put into.

    Attributes:
        step: as it was recorded.
        takes: shapes of the tensors that it takes, batch included, in Paddle's own order of axes.
        makes: the shape of what it makes.
        repair: the statement that lets the layer compute another kind, as a fix has it; empty where none is known.
        again: whether it is a layer that runs several times.
        following: of a convolution, the one that comes next and takes as many channels as this one makes; else None.
    """

    step: RecordedStep
    takes: Sequence[tuple[int, ...]]
    makes: tuple[int, ...]
    repair: Callable[[Kind], str]
    again: bool
    following: RecordedStep | None = None

    @property
    def alone(self) -> bool:
        """Whether it is a layer whose attributes can be changed; a further call of one is not."""
        return self.step.layer and "#" not in self.step.name

    @property
    def once(self) -> bool:
        """Whether it is a layer that runs once, which another one can replace."""
        return self.alone and not self.again


def call_gives(change: str) -> str:
    """The statement that lets a call give something else.

    Args:
        change: an expression of `call`, `x`, `rest` and `options`.
    """
    return f"change_call(model, names, lambda call, x, *rest, **options: {change})"


def set_attribute(attribute: str, value: object) -> str:
    """The statement that gives an attribute of the layer another value.

    Args:
        attribute: of the Paddle layer.
        value: that its `repr` says.
    """
    return f"layers[name].{attribute} = {value!r}"


def with_numbers(site: Site, **numbers: Any) -> Kind:
    """The kind of a step with other numbers.

    Args:
        site: of the step.
        numbers: by field.
    """
    return dataclasses.replace(site.step.what, **numbers)


def label_of(site: Site, number: str) -> tuple[str, ...]:
    """What explanations call a number of a step.

    Args:
        site: of the step.
        number: the field.
    """
    return (site.step.what.label(number),)


def repaired(site: Site, trap: str, what: str, number: str, value: Any, *, training: bool = False) -> Iterator[Change]:
    """A layer with another number, by the code that would repair one.

    Args:
        site: of the layer; nothing is given for a step that is none.
        trap: see `Change`.
        what: see `Change`.
        number: the field.
        value: of it.
        training: see `Change`.
    """
    if site.alone:
        statement = site.repair(with_numbers(site, **{number: value}))
        yield Change(trap, what, statement, label_of(site, number), training)
