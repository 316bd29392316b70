"""A digest of the code that decides the outcome of a training: when it changes, finished trainings are run again."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from parity.system import ROOT

# The modules whose code counts, beside the file of the network's family. tests/training/test_code_digest.py names those
# that a training loads and that do not count.
MODULES = (
    "{twin}/device.py",
    "{twin}/layers.py",
    "{twin}/models.py",
    "{twin}/optimizers.py",
    "{twin}/training.py",
    "{twin}/twin.py",
    "{twin}/weights.py",
    "parity/catalogue/recipes.py",
    "parity/data/batches.py",
    "parity/data/epoch_plan.py",
    "parity/numerics/arrays.py",
    "parity/runtime/device.py",
    "parity/runtime/model_cache.py",
    "parity/runtime/model_state.py",
    "parity/runtime/trainer.py",
    "parity/runtime/training_loop.py",
    "parity/runtime/twin.py",
    "parity/training/run.py",
    "parity/weights/description.py",
    "parity/weights/initializers.py",
    "parity/weights/layout.py",
    "parity/weights/state.py",
)

# What decides the outcome of a training by several processes, beside `MODULES`.
REPLICA_MODULES = (
    "{twin}/data_parallel.py",
    "parity/runtime/replicas.py",
    "parity/workers/replica.py",
    "parity/workers/replicated_worker.py",
)

# Tables of which a training uses one entry: the recipe is part of its configuration by value, the family by its file.
TABLES = ("RECIPES", "DESIGNS")


@lru_cache
def code_digest(twin: str, family: str, root: Path = ROOT) -> str:
    """sha256 (hex) of the set of all statements at the top of the modules that count.

    Comments, docstrings and formatting do not count, nor which of the files a definition stands in: an import counts
    only where it gives another name to something.

    Args:
        twin: the framework's package.
        family: the name of the class of the network's design: of `networks/`, only the file that imports it counts.
        root: the folder that holds the packages.
    """
    files = [root / path.format(twin=twin) for path in MODULES] + family_files(root / twin / "networks", family)
    return _digest(files)


@lru_cache
def replica_code_digest(twin: str, root: Path = ROOT) -> str:
    """As `code_digest`, of the modules that only a training by several processes uses."""
    return _digest([root / path.format(twin=twin) for path in REPLICA_MODULES])


def _digest(files: Iterable[Path]) -> str:
    statements = {text for path in files for text in _statements(path)}
    return hashlib.sha256("\0".join(sorted(statements)).encode()).hexdigest()


def family_files(networks: Path, family: str) -> list[Path]:
    """The files of a twin's networks that import the class of a design; there is one for each."""
    names = {path: ast.walk(ast.parse(path.read_bytes())) for path in networks.glob("*.py")}
    return [path for path, nodes in names.items() if any(isinstance(n, ast.alias) and n.name == family for n in nodes)]


def _statements(path: Path) -> list[str]:
    """The statements at the top of a module, without what does not count."""
    module = _Stripped().visit(ast.parse(path.read_bytes()))
    tables = tuple(f"{name}:" for name in TABLES)  # they are annotated
    # text and not ast.dump, which differs from one version of Python to the next
    return [text for node in module.body if not (text := ast.unparse(node)).startswith(tables)]


class _Stripped(ast.NodeTransformer):
    """Removes docstrings and imports; of an import under another name, what that name stands for is left."""

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Import | ast.ImportFrom):
            renamed = [ast.alias(name.name.rpartition(".")[2], name.asname) for name in node.names if name.asname]
            return ast.Import(renamed) if renamed else None
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        return None if docstring else self.generic_visit(node)
