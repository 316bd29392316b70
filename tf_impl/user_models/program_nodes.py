"""The operations of a function that TensorFlow saved, to be run one by one, in float32 or in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.pywrap_tfe import TFE_Py_FastPathExecute

from parity.runtime.program import Node, ProgramError, execute

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
SILENT = ("NoOp", "Assert", "Print", "PrintV2")  # that give nothing and change nothing

Run = Callable[[Sequence[Any]], Sequence[Any]]


class ProgramNodes:
    """The operations of a graph, those of the functions that it calls in the place of the calls.

    Args:
        dtype: "float32", or "float64": what the program computes in float32 is then computed in float64.

    Attributes:
        nodes: what `add` has found, in the order in which it can run.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = tf.as_dtype(dtype)
        self.nodes: list[Node] = []
        self._keys = 0

    def key(self) -> int:
        """A new key of a value."""
        self._keys += 1
        return self._keys

    def add(self, graph: Any, given: Sequence[int]) -> list[int]:
        """The operations of a graph.

        Args:
            graph: a `FuncGraph`.
            given: keys of its inputs, captured ones among them.

        Returns:
            Keys of its outputs.

        Raises:
            ProgramError: an operation that only the whole program can run.
        """
        keys = {tensor.name: key for tensor, key in zip(graph.inputs, given, strict=True)}
        for op in graph.get_operations():
            if op.type == "Placeholder" or (op.type in SILENT and not op.outputs):
                continue
            inputs = tuple(keys[tensor.name] for tensor in op.inputs)
            if op.type in CALLS:
                outputs = self.add(_body(graph, op, "f"), inputs)
            else:
                outputs = [self.key() for _ in op.outputs]
                self.nodes.append(Node(op.type, inputs, tuple(outputs), self._runner(graph, op)))
            keys.update(zip((tensor.name for tensor in op.outputs), outputs, strict=True))
        return [keys[tensor.name] for tensor in graph.outputs]

    def typed(self, value: Any) -> Any:
        """A type, tensor or list of these in the precision of the program: float32 is meant by what is float32."""
        if isinstance(value, list):
            return [self.typed(element) for element in value]
        if isinstance(value, tf.DType):
            return self.dtype if value == tf.float32 else value
        if isinstance(value, tf.Tensor) and value.dtype == tf.float32:
            return tf.cast(value, self.dtype)
        return value

    def _runner(self, graph: Any, op: tf.Operation) -> Run:
        if op.type == "Const":
            constant = self.typed(tf.constant(tf.make_ndarray(op.get_attr("value"))))
            return lambda given: [constant]
        if op.type in ("While", "StatelessWhile"):
            return self._loop(_body(graph, op, "cond"), _body(graph, op, "body"))
        if op.type in ("If", "StatelessIf"):
            branches = [self._function(_body(graph, op, name)) for name in ("else_branch", "then_branch")]
            return lambda given: branches[bool(given[0])](given[1:])
        if op.type in LISTS:
            return LISTS[op.type]
        if op.type == "FusedBatchNormV3" and self.dtype == tf.float64 and not op.get_attr("is_training"):
            return _batch_norm(op)
        if not hasattr(tf.raw_ops, op.type) or not op.outputs or "Random" in op.type:
            raise ProgramError(f"the operation {op.type}")
        return self._raw(op)

    def _raw(self, op: tf.Operation) -> Run:
        """The operation itself, on other tensors."""
        definition = op.op_def
        inferred = {
            name
            for argument in definition.input_arg
            for name in (argument.type_attr, argument.number_attr, argument.type_list_attr)
        }
        attributes = [(a.name, self.typed(op.get_attr(a.name))) for a in definition.attr if a.name not in inferred]
        counts = [
            op.get_attr(argument.number_attr)
            if argument.number_attr
            else len(op.get_attr(argument.type_list_attr))
            if argument.type_list_attr
            else None
            for argument in definition.input_arg
        ]

        def run(given: Sequence[Any]) -> Sequence[Any]:
            if op.type == "Identity" and isinstance(given[0], list):
                return given
            left = iter(given)
            operands = [next(left) if count is None else [next(left) for _ in range(count)] for count in counts]
            # by the operation's own names, which some functions of Python do not have
            made = TFE_Py_FastPathExecute(context.context(), op.type, None, *operands, *chain(*attributes))
            listed = list(made) if isinstance(made, (list, tuple)) else [made]
            return [tensor if tensor.dtype == self.dtype else self.typed(tensor) for tensor in listed]

        return run

    def _function(self, body: Any) -> Run:
        """A function of the program, which runs when its turn comes."""
        own = ProgramNodes(self.dtype.name)
        inputs = [own.key() for _ in body.inputs]
        outputs = own.add(body, inputs)

        def run(given: Sequence[Any]) -> Sequence[Any]:
            values = dict(zip(inputs, given, strict=True))
            execute(own.nodes, values)
            return [values[key] for key in outputs]

        return run

    def _loop(self, condition: Any, body: Any) -> Run:
        goes_on, step = self._function(condition), self._function(body)

        def run(given: Sequence[Any]) -> Sequence[Any]:
            while bool(goes_on(given)[0]):
                given = step(given)
            return given

        return run


def _body(graph: Any, op: tf.Operation, attribute: str) -> Any:
    """The graph of a function that an operation calls."""
    return graph._get_function(op.get_attr(attribute).name).graph


def _batch_norm(op: tf.Operation) -> Run:
    """In inference; TensorFlow's own has no float64."""
    epsilon = op.get_attr("epsilon")
    first = op.get_attr("data_format") == b"NCHW"

    def run(given: Sequence[Any]) -> Sequence[Any]:
        x, *rest = given
        if first:
            rest = [tf.reshape(array, (1, -1, 1, 1)) for array in rest]
        gamma, beta, mean, variance = rest
        y = (x - mean) * (gamma * tf.math.rsqrt(variance + tf.constant(epsilon, x.dtype))) + beta
        return [y, *given[3:5], *given[3:5], given[4]]

    return run


def _set_item(given: Sequence[Any]) -> Sequence[Any]:
    made = list(given[0])
    made[int(given[1])] = given[2]
    return [made]


# lists of tensors, which loops fill; as lists of Python's no callback misses what goes through them
LISTS: dict[str, Run] = {
    "TensorListReserve": lambda given: [[None] * int(given[1])],
    "TensorListFromTensor": lambda given: [tf.unstack(given[0])],
    "TensorListGetItem": lambda given: [given[0][int(given[1])]],
    "TensorListSetItem": _set_item,
    "TensorListStack": lambda given: [tf.stack(given[0])],
    "TensorListLength": lambda given: [tf.constant(len(given[0]))],
}
