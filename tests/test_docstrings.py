"""What docstrings name under "Args:" are parameters, what they name under "Attributes:" are fields."""

from __future__ import annotations

import ast
import re

import pytest

from parity.system import ROOT

Definition = ast.FunctionDef | ast.ClassDef


def documented(definition: Definition, section: str) -> set[str]:
    """The names in a section of a docstring; one entry may name several."""
    block = re.search(rf"^{section}:\n((?: {{4}}.*\n?|\n)*)", ast.get_docstring(definition) or "", re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+(?:, \w+)*):", block[1], re.MULTILINE) if block else []
    return {name for entry in entries for name in entry.split(", ")}


def parameters(definition: Definition) -> set[str]:
    """Of a function, or of a class: those of `__init__`, or the fields of a dataclass."""
    nodes = ast.walk(definition.args) if isinstance(definition, ast.FunctionDef) else ()
    own = {node.arg for node in nodes if isinstance(node, ast.arg)}
    for part in definition.body if isinstance(definition, ast.ClassDef) else ():
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            own |= parameters(part)
        if isinstance(part, ast.AnnAssign):
            own.add(ast.unparse(part.target))
    return own


def fields(definition: Definition) -> set[str]:
    """What a class declares, and what its methods assign to `self`."""
    targets = [node for node in ast.walk(definition) if isinstance(node, ast.Name | ast.Attribute)]
    return {ast.unparse(node).removeprefix("self.") for node in targets if isinstance(node.ctx, ast.Store)}


@pytest.mark.parametrize("package", ["parity", "paddle_impl", "tf_impl", "reports"])
def test_docstrings_name_what_is_there(package: str) -> None:
    count, stale = 0, []
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Definition):
                named = {"Args": documented(node, "Args"), "Attributes": documented(node, "Attributes")}
                count += sum(map(len, named.values()))
                odd = (named["Args"] - parameters(node)) | (named["Attributes"] - fields(node))
                stale += [f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {name}" for name in sorted(odd)]
    assert not stale
    assert count > 0
