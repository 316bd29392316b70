"""The reference of single steps against both frameworks, in float64, each in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.kinds import ACTIVATIONS, KINDS, compute
from parity.numerics.arrays import Arrays
from parity.numerics.comparison import FLOAT64_LIMIT
from parity.workers.frameworks import FRAMEWORKS
from tests.kinds.cases import CASES, FLOAT32_LIMIT

# Reads expressions and arrays, writes what the expressions give.
CHILDREN = {
    "paddle": """
import json, sys
import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

paddle.set_device("cpu")
paddle.set_default_dtype("float64")

def own(name, array):
    first = {4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}
    out = {4: (3, 2, 0, 1), 5: (4, 3, 0, 1, 2)}
    axes = (out if name == "kernel" else first).get(array.ndim, range(array.ndim))
    return paddle.to_tensor(np.ascontiguousarray(array.transpose(axes)))

def attend(xs, heads, *arrays, mask=None):
    q, k, v = xs
    layer = paddle.nn.MultiHeadAttention(q.shape[-1], heads, kdim=k.shape[-1], vdim=v.shape[-1]).to(dtype="float64")
    parts = [layer.q_proj, layer.k_proj, layer.v_proj, layer.out_proj]
    for tensor, array in zip([p.weight for p in parts] + [p.bias for p in parts], arrays, strict=True):
        tensor.set_value(array)
    return layer(q, k, v, mask)

def recur(made, arrays, *given):
    names = {"weight_ih": "kernel", "weight_hh": "recurrent_kernel", "bias_ih": "bias", "bias_hh": "recurrent_bias"}
    for layer in range(made.num_layers):
        for before, behind in (("", ""), ("backward_", "_reverse"))[: made.num_directions]:
            for name, kind in names.items():
                tensor = getattr(made, f"{name}_l{layer}{behind}", None)
                array = arrays.get((f"layer{layer}_" if layer else "") + before + kind)
                if tensor is None:
                    continue
                array = np.zeros(tensor.shape) if array is None else array.numpy().T
                if isinstance(made, nn.GRU):
                    z, r, h = np.split(array, 3)
                    array = np.concatenate([r, z, h])
                tensor.set_value(array)
    return made(*given)

def turned(x):
    return x.transpose([0, 2, 1])

def canonical(tensor):
    axes = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}
    return tensor.numpy().transpose(axes.get(tensor.ndim, range(tensor.ndim)))
""",
    "tensorflow": """
import json, sys
import keras
import numpy as np
import tensorflow as tf

keras.config.set_floatx("float64")
layers = keras.layers

def layer(made, x, *arrays):
    made(x)
    made.set_weights(arrays)
    return made(x)

def attend(xs, heads, *arrays, **given):
    q, k, v = xs
    made = layers.MultiHeadAttention(heads, arrays[0].shape[1] // heads)  # whose root is exact in float32, too
    made(q, v, key=k)
    ordered = [arrays[i] for pair in ((0, 4), (1, 5), (2, 6), (3, 7)) for i in pair]
    made.set_weights([tf.reshape(a, w.shape) for a, w in zip(ordered, made.weights, strict=True)])
    return made(q, v, key=k, **given)

def recur(made, arrays, x, **given):
    made(x)
    values = []
    for prefix in ("", "backward_")[: 2 if isinstance(made, layers.Bidirectional) else 1]:
        bias, second = (arrays.get(prefix + name) for name in ("bias", "recurrent_bias"))
        values += [arrays[prefix + "kernel"], arrays[prefix + "recurrent_kernel"]]
        values += [bias if second is None else tf.stack([bias, second])]
    made.set_weights(values)
    return made(x, **given)

def own(name, array):
    return tf.constant(array)

def canonical(tensor):
    return tensor.numpy()
""",
}

MAIN = """
folder, outputs = sys.argv[1], {}
arrays = np.load(f"{folder}/arrays.npz")
for case, expression in json.load(open(f"{folder}/expressions.json")).items():
    known = {key.split("/")[1]: array for key, array in arrays.items() if key.startswith(case + "/")}
    known = {name: own(name, array) for name, array in known.items()}
    xs = [known[f"x{i}"] for i in range(len(known)) if f"x{i}" in known]
    given = {kind: array for kind, array in known.items() if not kind[1:].isdigit()}
    outputs[case] = canonical(eval(expression, globals() | known | {"x": xs[0], "xs": xs, "arrays": given}))
np.savez(f"{folder}/outputs.npz", **outputs)
"""

PAIRS = [(framework, name) for framework in FRAMEWORKS for name, case in CASES.items() if getattr(case, framework)]

ROUNDED = [(framework, name) for framework, name in PAIRS if framework in CASES[name].rounded]


def computed_by(framework: str, folder: Path) -> Arrays:
    """What the framework makes of every case that it has: one process for all, which starts for seconds."""
    expressions = {name: getattr(CASES[name], framework) for other, name in PAIRS if other == framework}
    given: Arrays = {}
    for name in expressions:
        inputs, arrays = CASES[name].drawn()
        given |= {f"{name}/x{i}": x for i, x in enumerate(inputs)}
        given |= {f"{name}/{kind}": array for kind, array in arrays.items()}
    np.savez(folder / "arrays.npz", **given)  # type: ignore[arg-type]
    (folder / "expressions.json").write_text(json.dumps(expressions))
    interpreter = os.environ.get(FRAMEWORKS[framework].interpreter_variable, sys.executable)
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    command = [interpreter, "-c", CHILDREN[framework] + MAIN, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    with np.load(folder / "outputs.npz") as outputs:
        return dict(outputs)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arrays]:
    """Each framework's outputs by case."""
    return {framework: computed_by(framework, tmp_path_factory.mktemp(framework)) for framework in FRAMEWORKS}


def test_both_frameworks_judge_every_kind_and_every_activation() -> None:
    """But those of the suite's own layers, which level 2 and `test_loops` judge, and what has no reference."""
    own = {"adaptive_average_pool", "lrn"}
    for framework in FRAMEWORKS:
        cases = [CASES[name] for other, name in PAIRS if other == framework]
        assert {case.kind for case in cases} == set(KINDS) - own - {"other"}
        functions = {case.numbers["function"] for case in cases if case.kind == "activation"}
        assert functions <= set(ACTIVATIONS)
        missing = set(ACTIVATIONS) - functions
        assert not missing, (framework, missing)


@pytest.mark.parametrize(("framework", "name"), PAIRS)
def test_a_step_against_the_framework(outputs: dict[str, Arrays], framework: str, name: str) -> None:
    case, output = CASES[name], outputs[framework][name]
    single = framework in case.float32
    assert output.dtype == np.float64 or single
    comparison = case.compared(output, FLOAT32_LIMIT if single else FLOAT64_LIMIT, **case.rounded.get(framework, {}))
    assert comparison.passed, comparison.explain()
    assert comparison.elements == output.size


@pytest.mark.parametrize(("framework", "name"), ROUNDED)
def test_numbers_that_a_framework_takes_in_float32(outputs: dict[str, Arrays], framework: str, name: str) -> None:
    """Even where it computes in float64: the number as it was given is another one, by float32's rounding."""
    comparison = CASES[name].compared(outputs[framework][name])
    assert not comparison.problems
    assert 10 * FLOAT64_LIMIT < comparison.gaps[0].gap < 2.0**-20


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("conv, SAME with stride 2", {"padding": [[1, 0], [1, 0]]}),
        ("conv, padding 1 with stride 2", {"padding": [[0, 1], [0, 1]]}),
        ("conv, dilation 2", {"dilation": [1, 1], "padding": [[1, 1], [1, 1]]}),
        ("batch_norm", {"epsilon": 0.100001}),
        ("layer_norm", {"epsilon": 1.00001e-3}),
        ("group_norm", {"epsilon": 0.100001}),
        ("group_norm", {"groups": 3}),
        ("conv_transpose, SAME with stride 2", {"crop": [[1, 0], [0, 1]]}),
        ("max_pool, SAME", {"padding": [[1, 0], [1, 0]]}),
        ("average_pool, padding counted", {"count_padding": False}),
        ("average_pool, SAME", {"count_padding": True}),
        ("gelu", {"approximate": True}),
        ("gelu, approximate", {"approximate": False}),
        ("hard_sigmoid", {"slope": 0.2}),
        ("softplus", {"beta": 1.000001}),
        ("celu", {"alpha": 0.300001}),
        ("zero_pad", {"padding": [[2, 1], [3, 4]]}),
        ("scale", {"offset": -1.000001}),
        ("resize, linear", {"half_pixels": False}),
        ("resize, linear", {"half_pixels": False, "aligned_corners": True}),
        ("attention, causal", {"mask": None}),
        ("recurrent, LSTM", {"recurrent_activation": "hard_sigmoid"}),
        ("recurrent, LSTM", {"output_activation": "linear"}),
        ("recurrent, LSTM", {"direction": "backward"}),
        ("recurrent, GRU, reset after the product", {"reset_after": False}),
        ("recurrent, masked, zeros", {"masked_output": "repeated"}),
    ],
)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_another_number_is_seen(outputs: dict[str, Arrays], framework: str, name: str, changed: dict[str, Any]) -> None:
    case = CASES[name]
    comparison = case.compared(outputs[framework][name], **(case.rounded.get(framework, {}) | changed))
    assert not comparison.problems
    assert comparison.gaps[0].gap > 1e-8


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.tokens and case.passes_nan])
def test_nan_goes_through(name: str) -> None:
    """Of one image to its own output, and to no other's."""
    case = CASES[name]
    inputs, arrays = case.drawn()
    last = [x for x in inputs if x.dtype == np.float64][-1]
    last[(0, *(extent // 2 for extent in last.shape[1:-1]), 0)] = np.nan
    y = compute(case.kind, case.numbers, [*inputs, *case.more], arrays)
    assert np.isnan(y[0]).any()
    assert y[1:].size > 0
    assert np.isfinite(y[1:]).all()


def test_relu_of_infinity() -> None:
    x = np.array([[-np.inf, np.inf]])
    assert compute("activation", {"function": "relu"}, [x], {}).tolist() == [[0, np.inf]]


def test_what_has_no_reference_is_refused() -> None:
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="no reference for a step of kind 'other'"):
        compute("other", {"type": "Swizzle"}, [x], {})
    with pytest.raises(ValueError, match="no reference for the activation 'gelu_new'"):
        compute("activation", {"function": "gelu_new"}, [x], {})
