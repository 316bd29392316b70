"""The operations of a program that Paddle saved, to be run one by one, in float32 or in float64."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import paddle

from parity.runtime.program import Node, ProgramError

FLOAT32 = (paddle.float32, paddle.base.core.DataType.FLOAT32)

USUAL = re.compile(r"^([wb]_\d+)_\d+$")  # names of arrays, to which saving adds a number

TRANSPOSED = ["x", "filter", "strides", "paddings", "output_padding", "output_size"]
TRANSPOSED += ["padding_algorithm", "groups", "dilations", "data_format"]

# the arguments of functions that do not take all operands before all settings
ORDERS = {
    "slice": ["input", "axes", "starts", "ends", "infer_flags", "decrease_axis"],
    "strided_slice": ["x", "axes", "starts", "ends", "strides"],
    "split_with_num": ["x", "num", "axis"],
    "conv2d_transpose": TRANSPOSED,
    "depthwise_conv2d_transpose": TRANSPOSED,
}

# functions that take operands which may also be settings, such as a size, before all settings
OPERANDS_FIRST = (
    {"scale", "pool2d", "sum", "mean", "max", "min", "prod", "any", "all", "cumsum", "argmax", "argmin", "topk", "roll"}
    | {"pad", "pad3d", "full_like", "full_with_tensor", "dropout", "affine_grid", "sequence_mask", "arange", "linspace"}
    | {"one_hot", "gather", "set_value", "set_value_with_tensor"}
    | {f"{method}_interp" for method in ("nearest", "linear", "bilinear", "bicubic", "trilinear")}
)

SIZES = ("pd_op.full", "pd_op.full_int_array")  # what gives operands that may also be settings

Run = Callable[[Sequence[Any]], Sequence[Any]]


class ProgramNodes:
    """The operations of a program of Paddle 3.

    Args:
        dtype: "float32", or "float64": what the program computes in float32 is then computed in float64.

    Attributes:
        nodes: in the order in which they run.
        inputs: keys of the program's inputs, by name.
        parameters: keys of its arrays, by name.
        outputs: keys, in order.
        names: by key of an array, its owner and its name there.
    """

    def __init__(self, program: Any, dtype: str) -> None:
        """Read a program. Raises ProgramError: an operation that only the whole program can run."""
        self.dtype = paddle.float64 if dtype == "float64" else paddle.float32
        self.nodes: list[Node] = []
        self.inputs: dict[str, int] = {}
        self.parameters: dict[str, int] = {}
        self.outputs: list[int] = []
        self.names: dict[int, tuple[str, str]] = {}
        self._keys: dict[str, int] = {}  # by the program's own names of values
        for op in program.global_block().ops:
            self._add(op)
        if not self.outputs:  # of Paddle 2: what nothing takes
            taken = {key for node in self.nodes for key in node.inputs}
            self.outputs = [node.outputs[0] for node in self.nodes if node.outputs and taken.isdisjoint(node.outputs)]

    def _add(self, op: Any) -> None:
        attributes = op.attrs()
        made = tuple(self._key(value) for value in op.results())
        given = tuple(self._key(value) for value in op.operands_source() if value.initialized())
        name = op.name()
        if name == "builtin.parameter":
            self.parameters[attributes["parameter_name"]] = made[0]
            owner, _, own = attributes["parameter_name"].rpartition(".")
            self.names[made[0]] = owner, USUAL.sub(r"\1", own)
        elif name == "pd_op.data":
            self.inputs[attributes["name"]] = made[0]
        elif name in ("builtin.shadow_output", "pd_op.fetch"):
            self.outputs.append(given[0])
        else:
            if name == "pd_op.rnn":
                self._name_recurrent(op)
            self.nodes.append(Node(name, given, made, self._runner(op)))

    def _name_recurrent(self, op: Any) -> None:
        """Name the arrays of a recurrent layer as Paddle's layer does, which are in the order of its kernel."""
        weights = op.operands_source()[op.get_input_names().index("weight_list")].get_defining_op().operands_source()
        keys = [self._key(value) for value in weights]
        owner = self.names[keys[0]][0]
        directions = 2 if op.attrs()["is_bidirec"] else 1
        half = len(keys) // 2  # kernels first, then as many biases
        for index, key in enumerate(keys):
            cell, second = divmod(index % half, 2)
            layer, backward = divmod(cell, directions)
            kind = f"{'bias' if index >= half else 'weight'}_{'hh' if second else 'ih'}"
            self.names[key] = owner, f"{kind}_l{layer}{'_reverse' if backward else ''}"

    def _key(self, value: Any) -> int:
        return self._keys.setdefault(value.id, len(self._keys))

    def _runner(self, op: Any) -> Run:
        kind, _, name = op.name().partition(".")
        if op.name() == "builtin.combine":
            return lambda given: [list(given)]
        if op.name() in ("builtin.split", "builtin.slice"):
            index = op.attrs().get("index")
            return lambda given: list(given[0]) if index is None else [given[0][index]]
        attributes = op.attrs()
        if name == "full_int_array":
            numbers = list(attributes["value"])
            return lambda given: [numbers]
        name = name.removesuffix("_")  # which writes into what it takes: the same numbers
        if kind != "pd_op" or op.num_regions() or not hasattr(paddle._C_ops, name):
            raise ProgramError(f"the operation {op.name()}")
        there = dict(zip(op.get_input_names(), [value.initialized() for value in op.operands_source()], strict=True))
        if missing := [one for one in op.get_attr_names() if one not in attributes]:
            raise ProgramError(f"the operation {op.name()} without {missing[0]}")
        settings = {one: self._typed(attributes[one]) for one in op.get_attr_names()}
        sized = any(value.initialized() and _source(value) in SIZES for value in op.operands_source())
        if sized and settings and name not in OPERANDS_FIRST | ORDERS.keys():  # with arguments mixed up it may crash
            raise ProgramError(f"the operation {op.name()}, whose arguments are in an order that is not known")
        order = ORDERS.get(name, [*there, *settings])
        count = op.num_results()

        def run(given: Sequence[Any]) -> Sequence[Any]:
            left = iter(given)
            arguments = settings | {one: next(left) if given_one else None for one, given_one in there.items()}
            made = getattr(paddle._C_ops, name)(*(arguments[one] for one in order))
            listed = list(made) if isinstance(made, tuple) else [made]
            return listed + [None] * (count - len(listed))  # results that inference does not make

        return run

    def _typed(self, value: Any) -> Any:
        return self.dtype if any(value is one or value == one for one in FLOAT32) else value


def _source(value: Any) -> str:
    """The name of the operation that makes a value of a program."""
    return str(value.get_defining_op().name())
