"""The examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

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


def test_the_public_names_are_imported_on_first_use() -> None:
    """A worker imports `parity`, too: it must not load what the other side needs."""
    code = "import parity, sys; print(sorted(n for n in sys.modules if n.partition('.')[0] in ('parity', 'numpy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['parity']"
    assert all(getattr(parity, name) is not None for name in parity.__all__)
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        getattr(parity, "chekc")  # noqa: B009
