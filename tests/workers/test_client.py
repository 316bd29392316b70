"""The client's methods and both twins' verbs are one list: same names, same parameters, same defaults."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.catalogue.recipes import Optimizer, TrainerSettings
from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.numerics.tolerance import Roundings
from parity.weights.parts import Part, Piece, Term
from parity.weights.random_arrays import Law
from parity.workers.client import Client
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers
from parity.workers.reply import Reply

ROOT = Path(__file__).resolve().parents[2]

METHODS = {
    name: method
    for name, method in inspect.getmembers(Client, inspect.isfunction)
    if not name.startswith("_") and name != "call"
}

ARRAYS = {"a": np.zeros(2, np.float32)}

# A value for every parameter of a method, none of them a default.
VALUES: dict[str, Any] = {
    "arrays": ARRAYS,
    "batch": 7,
    "begin": 1,
    "beside": True,
    "checkpoints": [1, 2],
    "code": "def fix(model): ...",
    "device": "gpu",
    "dtype": "float32",
    "edits": [],
    "end": 3,
    "fault": "other epsilon",
    "fixes": ["def fix(model): ..."],
    "kind": "dense",
    "laws": {"w": Law("w", (2,), "normal", 0.0, 1.0)},
    "losses": True,
    "network": "lenet5",
    "numbers": {"rate": 0.25},
    "on_progress": lambda message: None,
    "operations": [6],
    "optimizer": True,
    "path": "weights.pdparams",
    "pieces": {"w": [Piece(Part.whole((2,)), (Term("w", Part.whole((2,))),))]},
    "precision": "bfloat16",
    "rate": 0.5,
    "rounds": 2,
    "roundings": Roundings([1]),
    "rule": Optimizer("sgd"),
    "seed": 5,
    "shapes": {"kernel": [3, 4]},
    "settings": TrainerSettings(8, Optimizer("adam")),
    "spec": ModelSpec("keras.applications:VGG16()", [InputSpec([32, 32, 3])]),
    "stage": "stem/conv",
    "step": 8,
    "steps": 4,
    "threads": 3,
    "traced": True,
    "values": [9],
    "weights": False,
    "what": "forward",
}


@dataclass
class Sent(Exception):  # noqa: N818 (not an error: it ends a method before it reads a reply)
    """A request, by the names that the verb is called with (see `parity.workers.serve.serve`)."""

    verb: str
    network: str | None
    keywords: dict[str, Any]


class Recorder(Client):
    """Sends nothing."""

    def call(
        self,
        verb: str,
        *,
        network: str | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        **arguments: Any,
    ) -> Reply:
        keywords = arguments | ({"arrays": arrays} if arrays is not None else {})
        raise Sent(verb, network, keywords | ({"progress": on_progress} if on_progress is not None else {}))


def parameters(name: str) -> dict[str, inspect.Parameter]:
    """Of a method, without self."""
    return dict(list(inspect.signature(METHODS[name]).parameters.items())[1:])


def sent(name: str, *, optional: bool) -> Sent:
    """What a method sends, given all of its parameters or the required ones alone."""
    given = {
        key: VALUES[key]
        for key, parameter in parameters(name).items()
        if optional or parameter.default is parameter.empty
    }
    with pytest.raises(Sent) as caught:
        METHODS[name](Recorder(), **given)
    return caught.value


@dataclass(frozen=True)
class Verb:
    """A verb's parameters as a worker sees them."""

    names: dict[str, Any]  # with their defaults; those of the trainer, where it hands keywords on to it
    required: set[str]


@pytest.fixture
def verbs(expendable: Workers) -> dict[str, dict[str, Verb]]:
    """By framework and name."""
    twins_verbs: dict[str, dict[str, Verb]] = {}
    for framework, reply in expendable.map(lambda worker: worker.call("signatures")).items():
        trainer = [parameter for parameter in reply.result["trainer"] if parameter["kind"] == "KEYWORD_ONLY"]
        twins_verbs[framework] = {}
        for name, own in reply.result["verbs"].items():
            named = [parameter for parameter in own if parameter["kind"] != "VAR_KEYWORD"]
            every = named + (trainer if len(named) < len(own) else [])
            twins_verbs[framework][name] = Verb(
                {parameter["name"]: parameter["default"] for parameter in every},
                {parameter["name"] for parameter in every if parameter["required"]},
            )
    return twins_verbs


def test_every_verb_of_either_twin_has_a_method_and_every_method_a_verb(verbs: dict[str, dict[str, Verb]]) -> None:
    assert set(verbs) == set(FRAMEWORKS)
    for framework, own in verbs.items():
        assert set(own) == set(METHODS), framework


def test_methods_send_what_both_twins_verbs_take(verbs: dict[str, dict[str, Verb]]) -> None:
    for framework, own in verbs.items():
        for name, verb in own.items():
            everything, least = sent(name, optional=True), sent(name, optional=False)
            assert everything.verb == least.verb == name
            takes = set(verb.names) - {"network"}
            assert set(everything.keywords) == takes, (framework, name)
            assert verb.required - {"network"} <= set(least.keywords) <= takes, (framework, name)
            if "network" in verb.names:
                assert least.network == VALUES["network"], (framework, name)


def test_parameters_and_defaults_are_the_verbs_own(verbs: dict[str, dict[str, Verb]]) -> None:
    settings = {field.name for field in fields(TrainerSettings)}
    for framework, own in verbs.items():
        for name, verb in own.items():
            named = parameters(name)
            known = {"progress" if key == "on_progress" else key for key in named} - {"network"}
            if "settings" in known:
                assert settings < set(verb.names)
                known = known - {"settings"} | settings
            assert known == set(verb.names) - {"network"}, (framework, name)
            for key, parameter in named.items():
                if parameter.default not in (parameter.empty, None):  # None is not sent, or is the verb's own
                    assert parameter.default == verb.names[key], (framework, name, key)


def test_every_value_that_a_method_is_given_is_sent() -> None:
    """A parameter that the method drops, or mixes up with another, fails."""
    for name in METHODS:
        request = sent(name, optional=True)
        for key in parameters(name):
            if key in request.keywords and isinstance(VALUES[key], (str, int, float, bool)):
                assert request.keywords[key] == VALUES[key], (name, key)
        if "settings" in parameters(name):
            assert request.keywords | VALUES["settings"].as_arguments() == request.keywords


def test_a_callback_gets_typed_progress() -> None:
    counts: list[int] = []
    with pytest.raises(Sent) as caught:
        Recorder().predict("lenet5", "float32", ARRAYS, counts.append)
    caught.value.keywords["progress"]({"images": 500})
    assert counts == [500]
    with pytest.raises(Sent) as caught:
        Recorder().predict("lenet5", "float32", ARRAYS)
    caught.value.keywords["progress"]({"images": 500})


def test_nothing_but_the_client_names_a_verb() -> None:
    """So that a reader can jump to what is asked for, and mypy sees every call."""
    client = ROOT / "parity" / "workers" / "client"
    raw = []
    for path in (ROOT / "parity").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "call"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and client not in path.parents
            ):
                raw.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not raw
