"""Which changes of the code make finished trainings count as unfinished."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from parity.catalogue.networks import NETWORKS
from parity.data.dataset import Dataset
from parity.system import ROOT
from parity.training.code_digest import MODULES, REPLICA_MODULES, code_digest, family_files, replica_code_digest
from parity.training.run import Settings, train
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.interpreter import default_threads
from parity.workers.pool import Workers
from parity.workers.replicated_worker import ReplicatedWorker
from tests.command_line import surroundings

TWINS = [framework.package for framework in FRAMEWORKS.values()]

# What a training loads, in a worker or beside it, that cannot change its outcome: modules by room, and packages with
# all in them. A new module is named here or in `MODULES`.
DO_NOT_COUNT = {
    # the family's file counts alone
    "twin": "faults kinds networks probes replica_faults replica_verbs timing training_faults user_models verbs",
    "parity": "error_causes kinds printable records system termination workers",  # carry and keep what others compute
    "parity.catalogue": "counting designs entries networks replica_faults resnets targets titles traps user_models "
    "versions",  # values
    "parity.data": "dataset",  # by its digest
    "parity.numerics": "comparison geometry losses signature tolerance",  # of proofs and users' models
    "parity.runtime": "call_arguments calling fault_session fixing noise optimizer_alone precision probes program "
    "program_signature recorded_model recorded_models recording replica_faults targets timing trace "
    "traced_steps trainer_faults user_models",
    "parity.training": "checkpoint code_digest fingerprint",  # keep what was computed
    "parity.weights": "files parts pdparams random_arrays",
}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The sources of the suite, for changes."""
    for package in ("parity", *TWINS):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


BOTH = pytest.mark.parametrize("twin", TWINS)


@BOTH
def test_what_another_name_stands_for_counts(twin: str, copied: Path) -> None:
    lenet = copied / twin / "networks" / "lenet.py"
    replace(lenet, "max_pool,", "average_pool as max_pool,")
    assert code_digest(twin, "LeNet", copied) != code_digest(twin, "LeNet")


@BOTH
def test_comments_docstrings_and_formatting_do_not_count(twin: str, copied: Path) -> None:
    for path in copied.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
                node.body[0] = ast.Expr(ast.Constant("Said otherwise."))
        path.write_text("# a comment\n\n" + ast.unparse(ast.fix_missing_locations(tree)))
    assert code_digest(twin, "LeNet", copied) == code_digest(twin, "LeNet")


@BOTH
def test_the_file_of_a_function_does_not_count(twin: str, copied: Path) -> None:
    old, new = copied / "parity/weights/initializers.py", copied / twin / "weights.py"
    text = old.read_text()
    function = text[text.index("def training_state") : text.index("\ndef ", text.index("def training_state"))]
    replace(old, function, "from elsewhere import training_state\n")
    new.write_text(f"{function}\n{new.read_text()}")
    assert code_digest(twin, "LeNet", copied) == code_digest(twin, "LeNet")


@BOTH
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("{twin}/layers.py", "bias: bool = True", "bias: bool = False"),
        ("{twin}/optimizers.py", '"beta1"', '"beta2"'),
        ("{twin}/training.py", "1 / 255", "1 / 256"),
        ("{twin}/networks/lenet.py", "start=1", "start=2"),
        ("parity/catalogue/recipes.py", "schedule.base *", "2 * schedule.base *"),
        ("parity/data/batches.py", "/ 255", "/ 256"),
        ("parity/data/epoch_plan.py", "= 0", "= 9"),
        ("parity/catalogue/recipes.py", "_BATCH = 500", "_BATCH = 400"),
        ("parity/runtime/training_loop.py", "part.start, part.stop", "part.start, part.start"),
        ("parity/training/run.py", "self._plan(0)", "self._plan(1)"),
        ("parity/weights/initializers.py", "sqrt(2 /", "sqrt(3 /"),
    ],
)
def test_the_code_of_updates_layers_and_batches_counts(twin: str, file: str, old: str, new: str, copied: Path) -> None:
    replace(copied / file.format(twin=twin), old, new)
    assert code_digest(twin, "LeNet", copied) != code_digest(twin, "LeNet")


@BOTH
def test_other_networks_recipes_and_the_rest_of_the_suite_do_not_count(twin: str, copied: Path) -> None:
    replace(copied / twin / "networks" / "vgg.py", "start=1", "start=2")
    replace(copied / "parity/catalogue/recipes.py", 'name="keras_vgg"', 'name="other"')
    replace(copied / twin / "models.py", "designs.AlexNet", "designs.Other")
    for path in copied.rglob("*.py"):
        if path not in [copied / module.format(twin=twin) for module in (*MODULES, "{twin}/networks/lenet.py")]:
            path.write_text(path.read_text() + "\n\nNEW = 1\n")
    assert code_digest(twin, "LeNet", copied) == code_digest(twin, "LeNet")
    assert code_digest(twin, "VGG", copied) != code_digest(twin, "VGG")


@BOTH
def test_each_family_has_one_file(twin: str) -> None:
    families = {type(network.design).__name__ for network in NETWORKS.values()}
    assert all(len(family_files(ROOT / twin / "networks", family)) == 1 for family in families)


def unnamed(loaded: list[str]) -> list[str]:
    """The modules of the project, of those loaded, that are named in no list of modules here or in `code_digest`."""
    named = [f"{room}.{module}." for room, modules in DO_NOT_COUNT.items() for module in modules.split()]
    named += [path.format(twin="twin").removesuffix("py").replace("/", ".") for path in (*MODULES, *REPLICA_MODULES)]
    own = [name for name in loaded if name.partition(".")[0] in ("parity", *TWINS)]
    files = [name for name in own if not (ROOT / name.replace(".", "/")).is_dir()]
    assert files
    return [name for name in files if not re.sub(r"^\w+_impl", "twin", f"{name}.").startswith(tuple(named))]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_module_that_a_worker_loads_is_said_to_count_or_not(
    expendable: Workers, framework: str, dataset: Dataset
) -> None:
    worker = expendable[framework]
    assert train(worker, "lenet5", dataset.limited(100), Settings(epochs=1)).record.epochs
    assert unnamed(worker.call("modules").result["modules"]) == []


@pytest.mark.skipif(default_threads() < 2, reason="replicas are processes that each need a core")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_module_that_a_replica_loads_is_said_to_count_or_not(
    expendable: Workers, framework: str, dataset: Dataset
) -> None:
    replicas = ReplicatedWorker(framework, 2, threads=expendable[framework].threads)
    try:
        assert train(replicas, "lenet5", dataset.limited(100), Settings(epochs=1)).record.epochs
        loaded = replicas.call("modules").result["modules"]
    finally:
        replicas.stop()
    assert unnamed(loaded) == []
    assert f"{FRAMEWORKS[framework].package}.data_parallel" in loaded


@BOTH
def test_the_code_of_replicas_counts_for_replicas_alone(twin: str, copied: Path) -> None:
    replace(copied / twin / "data_parallel.py", "group.count", "2")
    assert code_digest(twin, "LeNet", copied) == code_digest(twin, "LeNet")
    assert replica_code_digest(twin, copied) != replica_code_digest(twin)


def test_every_module_that_orders_a_training_is_said_to_count_or_not() -> None:
    code = "import sys, parity.training.run; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=surroundings(), capture_output=True, text=True, check=True)
    assert unnamed(done.stdout.split()) == []
