"""What `--input` says: shapes, names and types of a model's inputs."""

import json
import re
from dataclasses import asdict

import pytest

from parity.catalogue.user_models import InputSpec, ModelSpec, input_keys
from parity.migration.specs import input_spec, input_specs, model_specs


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("224,224,3", InputSpec([224, 224, 3])),
        ("12", InputSpec([12])),
        ("ids=12:int:1000", InputSpec([12], "ids", 1000, "int")),
        ("mask=12:bool", InputSpec([12], "mask", None, "bool")),
        ("x=8,4:float32", InputSpec([8, 4], "x", None, "float32")),
        ("x=8,4:float", InputSpec([8, 4], "x")),
        ("lengths=scalar:int64:13", InputSpec([], "lengths", 13, "int64")),
        ("encoder = 4, 4", InputSpec([4, 4], "encoder")),
    ],
)
def test_one_input_is_read_and_written(text: str, spec: InputSpec) -> None:
    assert input_spec(text) == spec
    assert input_spec(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("16x16x3", "expected whole numbers above 0 with commas"),
        ("16,0,3", "expected whole numbers above 0 with commas"),
        ("", "expected whole numbers above 0 with commas"),
        ("=12", "the name before = is empty"),
        ("12:complex", "expected one of int"),
        ("12:float32:9", "a whole number above 0 after float32"),
        ("12:int:0", "a whole number above 0 after int"),
        ("12:int:9:9", "expected one of int"),
    ],
)
def test_what_is_no_input_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        input_spec(text)


def test_tokens_belong_to_the_inputs_of_whole_numbers() -> None:
    assert input_specs("12", tokens=9) == [InputSpec([12], "", 9, "int")]
    assert input_specs((8, 8, 3)) == [InputSpec([8, 8, 3])]
    two = input_specs(["ids=12:int", "kinds=12:int:2", "x=4"], tokens=9)
    assert [(one.name, one.tokens) for one in two] == [("ids", 9), ("kinds", 2), ("x", None)]
    assert input_specs({"ids": "12:int", "x": (4, 4)}) == [InputSpec([12], "ids", None, "int"), InputSpec([4, 4], "x")]


@pytest.mark.parametrize(
    ("given", "tokens", "says"),
    [
        (["x=3", "x=4"], None, "the name is given 2 times"),
        (["x=3", "4"], None, "a name for every input or for none"),
        (["x=3", "y=4"], 9, "no input is said to be of whole numbers (x=3, y=4)"),
        ((16, -1), None, "expected whole numbers above 0"),
        (16, None, "expected whole numbers above 0"),
        ([], None, "expected whole numbers above 0"),
        ({}, None, "found none"),
    ],
)
def test_inputs_that_have_no_meaning_together_are_refused(given: object, tokens: int | None, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        input_specs(given, tokens)  # type: ignore[arg-type]


def test_a_spec_survives_the_way_to_a_worker() -> None:
    inputs = input_specs(["ids=12:int:9", "x=3,4"])
    spec = model_specs("a.b:c", "d:e(n=3)", inputs, classes=7, dtype="float32")["paddle"]
    assert ModelSpec.from_dict(json.loads(json.dumps(asdict(spec)))) == spec
    assert input_keys(spec.inputs) == ["ids", "x"]
    assert spec.inputs_text == "--input ids=12:int:9 --input x=3,4"
