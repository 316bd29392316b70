"""What both frameworks' readers make of layers and functions as models call them: the numbers that the cases have."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.kinds import of
from parity.workers.frameworks import FRAMEWORKS
from tests.command_line import ROOT
from tests.kinds.cases import CASES
from tests.kinds.test_frameworks import CHILDREN

# Of the kinds whose cases are written as models write them: one call of a layer or function.
READ = {
    *("clip", "compare", "cumulative_sum", "divide", "index", "math", "maximum", "minimum", "normalize", "one_hot"),
    *("pad", "power", "recurrent", "reduce", "resize", "slice", "stack", "subtract", "tile", "where"),
    *("adaptive_pool", "attention", "cast", "concat", "dropout", "zero_pad"),
}

ALSO = ("scale,", "softmax", "max_pool, of volumes", "global_average_pool, of volumes")  # which names begin with

CASES_READ = {name: case for name, case in CASES.items() if case.kind in READ or name.startswith(ALSO)}

PAIRS = [(framework, name) for framework in FRAMEWORKS for name, case in CASES_READ.items() if getattr(case, framework)]

TRACED = {
    "paddle": """
from paddle_impl.user_models.tracing import Order, Trace

class Model(nn.Layer):
    def forward(self, x):
        return eval(expression, globals() | known | {"x": x, "xs": [x, *xs[1:]], "arrays": given})

def traced(x):
    model = Model()
    return Trace(model, [x], lambda: model(x), Order())
""",
    "tensorflow": """
from tf_impl.user_models.tracing import Trace

class Model(keras.Model):
    def call(self, x):
        return eval(expression, globals() | known | {"x": x, "xs": [x, *xs[1:]], "arrays": given})

def traced(x):
    model = Model()
    return Trace(model, [x], lambda: model(x, training=False))
""",
}

MAIN = """
folder, read = sys.argv[1], {}
arrays = np.load(f"{folder}/arrays.npz")
for case, expression in json.load(open(f"{folder}/expressions.json")).items():
    known = {key.split("/")[1]: array for key, array in arrays.items() if key.startswith(case + "/")}
    known = {name: own(name, array) for name, array in known.items()}
    xs = [known[f"x{i}"] for i in range(len(known)) if f"x{i}" in known]
    given = {kind: array for kind, array in known.items() if not kind[1:].isdigit()}
    read[case] = [[step.kind, step.numbers] for step in traced(xs[0]).steps]
json.dump(read, open(f"{folder}/read.json", "w"))
"""


def read_by(framework: str, folder: Path) -> dict[str, list[Any]]:
    """Kind and numbers of every step that a framework's trace finds in each case."""
    expressions = {name: getattr(CASES[name], framework) for other, name in PAIRS if other == framework}
    given: dict[str, np.ndarray] = {}
    for name in expressions:
        inputs, arrays = CASES[name].drawn()
        given |= {f"{name}/x{i}": x for i, x in enumerate(inputs)}
        given |= {f"{name}/{kind}": array for kind, array in arrays.items()}
    np.savez(folder / "arrays.npz", **given)  # type: ignore[arg-type]
    (folder / "expressions.json").write_text(json.dumps(expressions))
    interpreter = os.environ.get(FRAMEWORKS[framework].interpreter_variable, sys.executable)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": paths}
    command = [interpreter, "-c", CHILDREN[framework] + TRACED[framework] + MAIN, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    read: dict[str, list[Any]] = json.loads((folder / "read.json").read_text())
    return read


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[Any]]]:
    """By framework and case, the steps."""
    return {framework: read_by(framework, tmp_path_factory.mktemp(framework)) for framework in FRAMEWORKS}


@pytest.mark.parametrize(("framework", "name"), PAIRS)
def test_a_step_is_read_as_what_it_is(read: dict[str, dict[str, list[Any]]], framework: str, name: str) -> None:
    case = CASES[name]
    expected = of(case.kind, case.numbers | case.rounded.get(framework, {})).numbers()
    assert [case.kind, expected] in read[framework][name], read[framework][name]
