"""The examples in docstrings do what they show."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import parity
import reports


def modules_with_examples() -> list[str]:
    """Names of modules of the suite and the reports in whose docstrings there is an example."""
    names = ["parity", "reports"]
    for package in (parity, reports):
        names += [module_info.name for module_info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    names = [name for name in names if not name.endswith(("__main__", "conftest")) and ".test_" not in name]
    return [name for name in names if examples_of(importlib.import_module(name))]


def examples_of(module: ModuleType) -> int:
    return sum(len(example.examples) for example in doctest.DocTestFinder().find(module))


MODULES = modules_with_examples()


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    outcome = doctest.testmod(module)
    assert outcome.failed == 0
    assert outcome.attempted == examples_of(module)


def test_the_public_functions_have_examples() -> None:
    assert "parity" in MODULES
    for function in (parity.check, parity.compare):
        assert ">>>" in (function.__doc__ or "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"input": 6}, "shape: expected whole numbers above 0, such as (224, 224, 3), found 6"),
        ({"input": (8, 0)}, "found (8, 0)"),
        ({"dtype": "float16"}, "dtype: expected 'float64' or 'float32', found 'float16'"),
        ({"weights": {"torch": "w.pt"}}, "weights: expected 'tensorflow' and 'paddle', found 'torch'"),
    ],
)
def test_what_a_program_gives_is_checked_before_anything_starts(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parity.compare("my.models:net", "my.twins:net", **{"input": (8,)} | arguments)


@pytest.mark.parametrize("first", [7, Path("model.keras")])
def test_what_is_no_model_is_refused(first: Any) -> None:
    with pytest.raises(TypeError, match=f"or a keras.Model, found {type(first).__name__}"):
        parity.compare(first, "my.twins:net", input=(8,))


@pytest.mark.parametrize("levels", [[], [99], [1, 9]])
def test_levels_that_do_not_exist_are_refused(levels: list[int]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected some of 1, 2, 3, 4, 5, 6, 7, 8, found {levels}")):
        parity.check("lenet5", levels=levels)


def test_what_type_checkers_see_is_what_is_there() -> None:
    stub = ast.parse((Path(parity.__file__).parent / "__init__.pyi").read_text())
    imported = [node.names[0].asname for node in stub.body if isinstance(node, ast.ImportFrom)]
    assert sorted([*map(str, imported), "__version__"]) == sorted(parity.__all__)


def test_the_public_names_are_imported_on_first_use() -> None:
    """A worker imports `parity`, too: it must not load what the other side needs."""
    code = "import parity, sys; print(sorted(n for n in sys.modules if n.partition('.')[0] in ('parity', 'numpy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['parity']"
    assert all(getattr(parity, name) is not None for name in parity.__all__)
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        getattr(parity, "chekc")  # noqa: B009
