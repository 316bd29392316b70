"""What the user does by hand about a cause that no code of the suite removes: the place, and what to do there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from parity.kinds.kind import shown
from parity.kinds.recurrent import Recurrent
from parity.kinds.repairs import Repair
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.explain.causes import Cause
from parity.migration.explain.segments import padding_layer
from parity.migration.explain.step_changes import called
from parity.migration.specs import FIRST, SECOND
from parity.workers.frameworks import FRAMEWORKS

# Of a recurrent layer's number in Paddle, what the code around the layer does for TensorFlow's value of it.
AROUND_RECURRENT: dict[str, Callable[[Any], str]] = {
    "sequences": lambda all_steps: "take the outputs of all steps" if all_steps else "take its last output, y[:, -1]",
    "ends": lambda ends: (
        "join the last states of both directions, paddle.concat([h[-2], h[-1]], axis=-1)"
        if ends
        else "take the last step of its outputs, y[:, -1]"
    ),
    "direction": lambda direction: (
        "give it the sequences reversed, paddle.flip(x, axis=[1])" if direction == "backward" else ""
    ),
    "realigned": lambda realigned: (
        "reverse its outputs, paddle.flip(y, axis=[1])" if not realigned else "do not reverse its outputs"
    ),
    "merge": lambda merge: f"merge the halves of its outputs by {merge!r}",
    "initial_state": lambda given: "give it the initial states" if given else "give it no initial states",
}


def by_hand(
    pair: RecordedPair,
    cause: Cause,
    matched: Sequence[tuple[RecordedStep, RecordedStep]],
    framework: str,
    hint: str = "",
    name: str = "",
) -> str:
    """One line: where, and what to do there.

    Args:
        pair: with a traced run of the models as they are.
        cause: that no code removes.
        matched: the steps of both models that correspond.
        framework: whose model is changed.
        hint: the layer that the framework's code would make; empty where it knows none.
        name: of the layer that the hint is about.
    """
    return f"{place(cause)}: {_todo(pair, cause, matched, framework, hint, name)}"


def place(cause: Cause) -> str:
    """Where a cause is, in both models as far as it is about a step of them."""
    other = cause.second.name if cause.second is not None else ""
    stage = cause.diagnosis.stage
    return f"{stage} / {other}" if other and other != stage and cause.first is not None else stage


def padded_by_code(pair: RecordedPair, cause: Cause, framework: str) -> bool:
    """Whether functions pad what a step takes or cut what it gives, so that its constructor alone changes nothing.

    Args:
        pair: with a traced run.
        cause: that may be about a padding.
        framework: whose step it is.
    """
    mine, other = (cause.first, cause.second) if framework == FIRST else (cause.second, cause.first)
    if mine is None or other is None or "padding" not in Repair(other.what, mine.what, None).differing():
        return False
    graph = pair.graphs[framework]
    if not mine.layer or mine.output < 0 or min(mine.inputs, default=-1) < 0 or padding_layer(graph, mine):
        return False
    operations, _ = graph.ancestors(mine.output, set(mine.inputs))
    around = {graph.operations[i].name.lower() for i in operations if graph.path_of(i) != mine.name}
    return any(word in name for name in around for word in ("pad", "getitem", "slice"))


def _todo(
    pair: RecordedPair,
    cause: Cause,
    matched: Sequence[tuple[RecordedStep, RecordedStep]],
    framework: str,
    hint: str,
    name: str,
) -> str:
    if framework in cause.todo:
        return cause.todo[framework]
    mine, other = (cause.first, cause.second) if framework == FIRST else (cause.second, cause.first)
    title, others = (FRAMEWORKS[one].title for one in ((FIRST, SECOND) if framework == FIRST else (SECOND, FIRST)))
    if framework == SECOND and mine is not None and masked_alone(other, mine):
        return f"in {name} of {title} pass over padding, as by sequence_length of a recurrent layer"
    if mine is not None and other is not None and padded_by_code(pair, cause, framework):
        return _padding(cause, mine, other, title)
    if mine is None and other is not None:
        what = hint or f"what {other.name} computes, ({other}),"
        return f"add {what} to the {title} model{_behind(pair, other, matched, framework)}"
    if mine is not None and hint:
        verb = "write" if mine.layer else "let its code compute what"
        return f"in {name} of {title} {verb} {hint}{'' if mine.layer else ' does'}"
    if mine is not None and other is None:
        return f"take {mine.name} out of the {title} model, or add it to the {others} model"
    if mine is not None and other is not None and cause.number:
        return _number(cause.number, mine, other, framework)
    if cause.array and mine is not None and other is not None:
        return f"let {mine.name} of {title} compute what {other.name} of {others} does ({other})"
    if cause.array:
        has = cause.diagnosis.framework == framework
        return f"take it out of the {title} model" if has else f"give the {title} model the same"
    if not cause.known:
        return f"no change is known; compare what the code of both models computes there, and change the {title} model"
    return f"change the {title} model there"


def _behind(
    pair: RecordedPair,
    other: RecordedStep,
    matched: Sequence[tuple[RecordedStep, RecordedStep]],
    framework: str,
) -> str:
    """Behind which step of the changed model one belongs that only the other model has."""
    graph = pair.graphs[SECOND if framework == FIRST else FIRST]
    made = other.inputs[0] if other.inputs else -1
    # a step that passes on what it takes, such as a dropout in inference, gives what it is given
    makers = (one for one in reversed(graph.steps) if made >= 0 and one.output == made and one is not other)
    before = next(makers, None)
    both = [(one, two) if framework == SECOND else (two, one) for one, two in matched]
    behind = next((ours for theirs, ours in both if theirs == before), None)
    return f" behind {behind.name}" if behind is not None else ""


def _padding(cause: Cause, mine: RecordedStep, other: RecordedStep, title: str) -> str:
    if cause.number == "padding":
        theirs, own = (shown(step.numbers["padding"]) for step in (other, mine))
        return f"let the code around {mine.name} of {title} pad {theirs}, less what it cuts off; it pads {own}"
    return f"give {mine.name} of {title} the {mine.what.label(cause.number)} {shown(getattr(other.what, cause.number))}"


def _number(number: str, mine: RecordedStep, other: RecordedStep, framework: str) -> str:
    title = FRAMEWORKS[framework].title
    if number in ("kind", "function"):
        return f"let {mine.name} of {title} compute {called(other)}"
    value = getattr(other.what, number)
    if framework == SECOND and isinstance(mine.what, Recurrent):
        around = AROUND_RECURRENT[number](value) if number in AROUND_RECURRENT else ""
        if around:
            return f"in the code around {mine.name} of {title} {around}"
        without = f"no recurrent layer of {title} has {mine.what.label(number)} {shown(value)}"
        return f"{without}; --fix {FIRST} changes the other model"
    return f"give {mine.name} of {title} the {mine.what.label(number)} {shown(value)}"


def masked_alone(one: RecordedStep | None, other: RecordedStep | None) -> bool:
    """Whether both steps are there, and only the first passes over masked values."""
    if one is None or other is None or one.kind != other.kind:
        return False
    return bool(getattr(one.what, "masked", False)) and not getattr(other.what, "masked", True)
