"""What a worker writes about changes of a user's model: constructors for the user, statements for `def fix(model)`."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from parity.kinds import of
from parity.kinds.registry import Registry
from parity.kinds.repairs import Change, Repair

Arguments = dict[str, Any]


class Fixer(ABC):
    """Writes the changes of one framework's models."""

    registry: Registry
    namespace: str  # under which users know the framework's layers

    @abstractmethod
    def layer(self, model: Any, path: str) -> Any:
        """The layer that has this path; None where there is none."""

    @abstractmethod
    def owner(self, path: str) -> str:
        """The path of the layer whose constructor makes a step of this name, such as the activation of a layer."""

    @abstractmethod
    def array_change(self, layer: Any, array: str, *, has: bool) -> Change | None:
        """What gives a layer a "bias" or a "scale", or takes it away; None where its constructor cannot."""

    @abstractmethod
    def removal(self, layer: Any, path: str) -> Change | None:
        """What lets a step pass on what it takes."""

    @abstractmethod
    def arguments(self, layer: Any) -> tuple[Arguments, bool] | None:
        """What a layer was made with: the arguments that can be written down, and whether these are all.

        Returns:
            Those without defaults first, the others where they are not the defaults; None where that is not known.
        """

    def makes(self, layer: Any, change: Change) -> bool:
        """Whether code can make this change in a model that was built."""
        return self.arguments(layer) is not None

    @abstractmethod
    def statement(self, path: str, layer: Any, change: Change) -> str:
        """A line of `def fix(model)` that makes a change."""

    def write(self, model: Any, edits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Write the code for edits.

        Args:
            model: the framework's, as its author wrote it.
            edits: of each `name` of a step or layer; `expected` and `actual` as `Kind.described` gives them, or None;
                `shape` of what the step takes; `layer`, whether a layer makes it; `array`, "bias" or "scale", which
                it should have or not, as `has` says, or empty; `remove`, whether it should pass on what it takes.

        Returns:
            `changes`, one for each layer: `name`, the indices of its `edits`, the `statement`, the `constructor` with
            all arguments and `short`, with those that change; and `open`, by index as text, of the other edits what
            computes what is expected, empty where that is not known.
        """
        merged: dict[str, Change] = {}
        indices: dict[str, list[int]] = {}
        still_open: dict[str, str] = {}
        for index, edit in enumerate(edits):
            path = self.owner(_once(edit["name"]))
            layer = self.layer(model, path) if path else None
            change = self._change(layer, edit) if layer is not None else None
            if change is None or not self.makes(layer, change):
                hint = "" if layer is not None and edit["layer"] else self._counterpart(edit)
                still_open[str(index)] = self.constructor(layer, change) if change is not None else hint
                continue
            merged[path] = merged[path].with_change(change) if path in merged else change
            indices.setdefault(path, []).append(index)
        changes = []
        for path, change in merged.items():
            layer = self.layer(model, path)
            changes.append(
                {
                    "name": path,
                    "edits": indices[path],
                    "statement": self.statement(path, layer, change),
                    "constructor": self.constructor(layer, change),
                    "short": self.constructor(layer, change, short=True),
                }
            )
        return {"changes": changes, "open": still_open}

    def constructor(self, layer: Any, change: Change, *, short: bool = False) -> str:
        """How a user writes the changed layer.

        Args:
            layer: as it is.
            change: of it.
            short: whether only arguments that change are written.
        """
        given, complete = ({}, True) if change.layer else self.arguments(layer) or ({}, False)
        unchanged = any(name not in change.arguments for name in given)
        left_out = (short and unchanged) or not complete
        shown = change.arguments if short else {**given, **change.arguments}
        arguments = written(shown, () if short else self.positional(layer, change))
        name = change.layer or type(layer).__name__
        around = f"{self.padding(change)} before it, and " if change.pads else ""
        parts = ("..." if short and left_out else "", arguments, "..." if not short and left_out else "")
        behind = f", and {self.cropping(change)} behind it" if change.crops else ""
        made = f"{around}{self.namespace}.{name}({', '.join(part for part in parts if part)}){behind}"
        replaced = change.layer and layer is not None and change.layer != type(layer).__name__
        return f"{made} instead of {self.namespace}.{type(layer).__name__}" if replaced else made

    def padding(self, change: Change) -> str:
        """The layer that puts what a change needs around its input; of frameworks whose layers pad as they are told."""
        raise NotImplementedError(change)

    def cropping(self, change: Change) -> str:
        """The layer that cuts what a change needs off its output; as `padding`."""
        raise NotImplementedError(change)

    @abstractmethod
    def positional(self, layer: Any, change: Change) -> Sequence[str]:
        """The arguments that are written without their names."""

    def _change(self, layer: Any, edit: Mapping[str, Any]) -> Change | None:
        if edit["array"]:
            return self.array_change(layer, edit["array"], has=edit["has"])
        name = _once(edit["name"])
        if not edit["layer"] and self.owner(name) == name:
            return None  # a function, which the code of its layer calls
        if edit["remove"]:
            return self.removal(layer, name)
        change = self.registry.change_for(
            Repair(of(**edit["expected"]), of(**edit["actual"]), layer, tuple(edit["shape"]))
        )
        return change if change is not None and (change.arguments or change.layer or change.pads) else None

    def _counterpart(self, edit: Mapping[str, Any]) -> str:
        """The constructor of a layer that computes what is expected; empty where none is known without the layer."""
        if edit["expected"] is None:
            return ""
        kind = of(**edit["expected"])
        actual = of(**edit["actual"]) if edit["actual"] is not None else kind
        try:
            change = self.registry.change_for(Repair(kind, actual, None, tuple(edit["shape"])))
        except Exception:  # of a kind whose arguments follow from the layer
            return ""
        return self.constructor(None, change) if change is not None and change.layer else ""


def _once(name: str) -> str:
    """The name of a step without its number, where it is not the first of this name: of a layer that is used again."""
    return re.sub(r"#\d+$", "", name)


def written(arguments: Mapping[str, Any], positional: Sequence[str] = ()) -> str:
    """Arguments as one writes them in a call.

    Args:
        arguments: by name.
        positional: the names of those that are written without them.

    Example:
        >>> written({"filters": 8, "padding": "same"}, ["filters"])
        "8, padding='same'"
    """
    first = [repr(arguments[name]) for name in positional if name in arguments]
    return ", ".join([*first, *(f"{name}={value!r}" for name, value in arguments.items() if name not in positional)])


def is_plain(value: Any) -> bool:
    """Whether a value can be written down as a literal.

    Example:
        >>> is_plain([1, "same", None]), is_plain(object())
        (True, False)
    """
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
