"""What tells one training from another: all that decides its outcome, and nothing else."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parity.catalogue.designs import LeNet
from parity.catalogue.recipes import Recipe, Schedule, recipe_of
from parity.data.dataset import Dataset
from parity.system import ROOT
from parity.training.fingerprint import code_version, configuration, differences, fingerprint
from parity.training.run import Settings
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers

TWINS = [framework.package for framework in FRAMEWORKS.values()]

LENET = f"{LeNet.__module__}.{LeNet.__qualname__}"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The sources of the suite, for changes."""
    for package in ("parity", *TWINS):
        for path in (ROOT / package).rglob("*.py"):
            copy = tmp_path / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    return tmp_path


def version(twin: str, root: Path = ROOT, family: str = LENET) -> str:
    return code_version.__wrapped__(twin, family, root)  # the sources change under it


def document_otherwise(path: Path) -> None:
    """Other docstrings, no comments, another formatting, other texts of errors, an annotation more."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
            node.body[0] = ast.Expr(ast.Constant("Said otherwise."))
        if isinstance(node, ast.FunctionDef):
            node.returns = ast.Name("object", ast.Load())
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args = [ast.Constant("worse")]
    path.write_text("# a comment\n\n" + ast.unparse(ast.fix_missing_locations(tree)))


@pytest.mark.parametrize("twin", TWINS)
def test_documentation_does_not_count(twin: str, copied: Path) -> None:
    for path in copied.rglob("*.py"):
        document_otherwise(path)
    assert version(twin, copied) == version(twin)


def move(root: Path, file: str, to: str) -> None:
    """A module, and everything that imports it."""
    (root / to).parent.mkdir(exist_ok=True)
    (root / file).rename(root / to)
    (old, name), (new, _) = ((path.removesuffix(".py").replace("/", ".").rsplit(".", 1)) for path in (file, to))
    renamed = to.removesuffix(".py").rsplit("/", 1)[1]
    for path in root.rglob("*.py"):
        text = path.read_text()
        text = re.sub(rf"from {re.escape(old)}\.{name}\b", f"from {new}.{renamed}", text)
        path.write_text(
            re.sub(rf"from {re.escape(old)} import {name}$", f"from {new} import {renamed} as {name}", text)
        )


@pytest.mark.parametrize("twin", TWINS)
def test_the_place_of_a_file_does_not_count(twin: str, copied: Path) -> None:
    for file, to in (
        (f"{twin}/layers.py", f"{twin}/bricks/all_layers.py"),
        (f"{twin}/optimizers.py", f"{twin}/updates.py"),
        (f"{twin}/networks/lenet.py", f"{twin}/lenets.py"),
        ("parity/weights/initializers.py", "parity/numerics/drawing.py"),
        ("parity/data/epoch_plan.py", "parity/runtime/plan.py"),
    ):
        move(copied, file, to)
    assert version(twin, copied) == version(twin)


class OneNumber(ast.NodeTransformer):
    """The first number in a definition is another one."""

    done = False

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self.done or isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return node
        self.done = True
        return ast.Constant(node.value + 1)


class OneOperator(ast.NodeTransformer):
    """The first operator in a definition is another one."""

    done = False

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if self.done or isinstance(node.op, ast.BitOr):  # which stands in type hints, too
            return node
        self.done = True
        return ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right)


def change(path: Path, name: str, how: type[OneNumber | OneOperator]) -> None:
    """Change a definition, or a method as "Class.method"; it must have something to change."""
    tree: ast.AST = ast.parse(path.read_text())
    node = tree
    for part in name.split("."):
        (node,) = (child for child in ast.iter_child_nodes(node) if getattr(child, "name", "") == part)
    changer = how()
    changer.visit(node)
    assert changer.done
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)))


DECISIVE: list[tuple[str, str, type[OneNumber | OneOperator]]] = [
    ("{twin}/layers.py", "conv", OneNumber),
    ("{twin}/layers.py", "SharedDropout", OneOperator),
    ("{twin}/optimizers.py", "Optimizer", OneNumber),
    ("{twin}/training.py", "Trainer.augmented", OneOperator),
    ("{twin}/training.py", "_preprocessed", OneOperator),
    ("{twin}/networks/lenet.py", "{lenet}", OneNumber),
    ("parity/catalogue/recipes.py", "learning_rates", OneOperator),
    ("parity/data/epoch_plan.py", "epoch_plan", OneNumber),
    ("parity/data/batches.py", "mean_image", OneOperator),
    ("parity/weights/initializers.py", "training_state", OneOperator),
    ("parity/runtime/training_loop.py", "Loop.train_epoch", OneNumber),
    ("parity/training/run.py", "_Run.train_epoch", OneOperator),
]


@pytest.mark.parametrize("twin", [TWINS[0], *(pytest.param(twin, marks=pytest.mark.slow) for twin in TWINS[1:])])
def test_the_code_of_updates_and_layers_counts(twin: str, copied: Path) -> None:
    seen = {version(twin, copied)}
    for number, (file, name, how) in enumerate(DECISIVE, 2):
        path = copied / file.format(twin=twin)
        before = path.read_text()
        change(path, name.format(lenet={"tf_impl": "lenet", "paddle_impl": "LeNet"}[twin]), how)
        seen.add(version(twin, copied))
        path.write_text(before)
        assert len(seen) == number, name


@pytest.mark.parametrize("twin", TWINS)
def test_other_code_does_not_count(twin: str, copied: Path) -> None:
    """Nor do other networks, unless it is one of theirs that is trained."""
    other = next(package for package in TWINS if package != twin)
    for relative in (f"{twin}/user_models", f"{twin}/timing.py", f"{twin}/faults.py", f"{twin}/verbs.py", other,
                  "parity/cli", "parity/proofs", "parity/workers", "parity/records"):  # fmt: skip
        path = copied / relative
        for file in [*path.rglob("*.py"), *([path] if path.is_file() else [])]:
            file.write_text(file.read_text() + "\n\nNEW = 1\n\n\ndef new() -> None:\n    print(NEW)\n\n\nnew()\n")
    (copied / "parity" / "catalogue" / "entries.py").write_text("CATALOGUE = ()\n")
    vgg = copied / twin / "networks" / "vgg.py"
    change(vgg, {"tf_impl": "vgg", "paddle_impl": "Vgg"}[twin], OneNumber)
    assert version(twin, copied) == version(twin)
    family = LENET.replace("LeNet", "VGG")
    assert version(twin, copied, family) != version(twin, family=family)


Configured = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def configured(request: pytest.FixtureRequest, workers: Workers, dataset: Dataset) -> Configured:
    """The configuration of a training of LeNet-5, or of one with other arguments."""

    def configured(**changes: Any) -> dict[str, Any]:
        name, images = changes.pop("name", "lenet5"), changes.pop("dataset", dataset)
        settings = Settings(recipe_of("mini"), batch=100).resolved(name)
        return configuration(workers[request.param], name, images, replace(settings, **changes))

    return configured


def other_recipe(**changes: Any) -> dict[str, Recipe]:
    return {"recipe": replace(recipe_of("mini"), **changes)}


def test_the_same_training_is_the_same(configured: Configured) -> None:
    one = configured()
    for same in (configured(), configured(**other_recipe(epochs=3, note="a remark", source="elsewhere"))):
        assert differences(same, one) == []
        assert fingerprint(same) == fingerprint(one)


@pytest.mark.parametrize(
    ("changes", "entries"),
    [
        (other_recipe(schedule=Schedule(2e-3, every=20, every_factor=1 / 3)), ["recipe"]),
        (other_recipe(l2=1e-4), ["recipe"]),
        ({"seed": 1}, ["seed"]),
        ({"batch": 50}, ["batch"]),
        ({"precision": "float64"}, ["precision"]),
        ({"name": "lenet5-100c"}, ["network", "design"]),
        ({"name": "alexnet"}, ["network", "design", "code"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_another_training_is_another(configured: Configured, changes: dict[str, Any], entries: list[str]) -> None:
    one, other = configured(), configured(**changes)
    assert fingerprint(one) != fingerprint(other)
    assert [line.partition(":")[0] for line in differences(other, one)] == entries


def test_other_images_are_another_training(configured: Configured, dataset: Dataset) -> None:
    other = configured(dataset=dataset.limited(299))
    assert [line.partition(":")[0] for line in differences(other, configured())] == ["data set"]


def test_versions_count(configured: Configured) -> None:
    """As the worker tells them, and numpy's here, with which the weights and the order of images are drawn."""
    one = configured()
    for entry, version in (("framework version", "0.1"), ("package versions", {"numpy": "0.1"})):
        assert one[entry]
        assert fingerprint(one | {entry: version}) != fingerprint(one)
    assert "numpy of the suite" in one["package versions"]
