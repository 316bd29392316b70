"""The table of pairs fits the files of the pairs; no framework is imported."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from parity.catalogue.targets import parse
from tests.command_line import ROOT
from tests.migration.pairs import PAIRS

FILES = sorted(path for path in (ROOT / "tests/migration/pairs").glob("*.py") if path.stem != "__init__")

OPERATORS = {"add"}  # Keras's name for what is written as +


def test_names_and_arguments_are_unique() -> None:
    for values in ([pair.name for pair in PAIRS], [" ".join(pair.arguments) for pair in PAIRS]):
        assert [value for value, count in Counter(values).items() if count > 1] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_model_is_in_the_table_and_every_family_has_both_verdicts(path: Path) -> None:
    family = [pair for pair in PAIRS if pair.name.startswith(f"{path.stem}/")]
    assert {pair.verdict for pair in family} >= {"equal", "different"}
    targets = [parse(target) for pair in family for target in (pair.tensorflow, pair.paddle)]
    functions = {node.name: node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    public = {name for name in functions if not name.startswith("_")}
    assert {target.attribute for target in targets} == public
    for target in targets:
        arguments = functions[target.attribute].args
        assert len(target.args) <= len(arguments.args), target.text
        assert arguments.kwarg or set(target.kwargs) <= {argument.arg for argument in arguments.args}, target.text


def test_only_pairs_that_differ_name_a_layer_or_a_cause() -> None:
    assert [pair.name for pair in PAIRS if pair.verdict == "equal" and (pair.layer or pair.cause)] == []


def test_layers_are_names_in_the_tensorflow_model() -> None:
    sources = {path.stem: path.read_text() for path in FILES}
    for pair in PAIRS:
        source = sources[pair.name.partition("/")[0]]
        for layer in pair.layer:
            stem = layer.rstrip("0123456789").removesuffix("_")
            if layer in OPERATORS:
                continue
            assert any(f'"{name}' in source or f"ops.{name}(" in source for name in (layer, stem)), (pair.name, layer)
