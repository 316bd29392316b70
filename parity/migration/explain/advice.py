"""What to do about a cause: what fits the layers and numbers that it is about, where the trap's own words are wider."""

from __future__ import annotations

from msgspec import structs

from parity.catalogue.pair_traps import PAIR_TRAPS
from parity.kinds.activation import Activation
from parity.kinds.elementwise import Clip
from parity.migration.align.recorded_graph import RecordedStep
from parity.migration.explain.causes import Cause
from parity.records.records import Diagnosis

DEFAULTS = {  # of layers and functions, by `Kind.key`
    "leaky_relu": "keras.layers.LeakyReLU has 0.3, keras.activations.leaky_relu and tf.nn.leaky_relu 0.2, Paddle 0.01",
    "gelu": "keras.ops.gelu is approximate by default, keras.activations.gelu, tf.nn.gelu and Paddle's are not",
    "softplus": "Keras's has a beta of 1 and no threshold, Paddle's is the identity above a threshold of 20",
    "hard_sigmoid": "Keras 3 and Paddle have a slope of 1/6, earlier versions of both 0.2",
    "layer_norm": "Keras has 1e-3, Paddle 1e-5",
    "group_norm": "Keras has 1e-3, Paddle 1e-5",
}


def advised(cause: Cause) -> Diagnosis:
    """The diagnosis of a cause, with what to do.

    Args:
        cause: of a difference between a user's two models.
    """
    return structs.replace(cause.diagnosis, advice=_advice(cause))


def _advice(cause: Cause) -> str:
    step = cause.first or cause.second
    trap = cause.diagnosis.trap
    if step is None or not trap:
        return PAIR_TRAPS[trap].fix if trap in PAIR_TRAPS else ""
    what = step.what
    if trap == "act-default":
        known = f": {DEFAULTS[what.key]}" if what.key in DEFAULTS else ""
        return f"write the {cause.number or 'numbers'} out in both{known}"
    if trap == "act-other":
        keys = {one.what.key for one in (cause.first, cause.second) if one is not None}
        return PAIR_TRAPS[trap].fix if "relu6" in keys else "the same function in both"
    if trap in ("relu-missing", "act-missing"):
        return f"the {what.key} in both models, or in neither"
    if trap == "act-clipped" and isinstance(what, (Activation, Clip)):
        return (
            f"the same {cause.number} in both" if cause.number not in ("", "function", "kind") else PAIR_TRAPS[trap].fix
        )
    if trap == "dropout-mode" and cause.training:
        return "the same rate in both, which is the share that is dropped" if cause.number else "in both, or in neither"
    if trap in ("same-pad", "pool-pad"):
        return _sides(trap, step)
    return "the same stride in both" if trap == "stride" else PAIR_TRAPS[trap].fix


def _sides(trap: str, step: RecordedStep) -> str:
    """Of a padding: TensorFlow's "same" and "causal" depend on the layer."""
    if max(step.numbers.get("stride", [1])) > 1 and not (trap == "pool-pad" and step.kind != "max_pool"):
        return PAIR_TRAPS[trap].fix
    if step.kind == "conv":
        return (
            "the same sides in both: Keras's 'causal' puts dilation * (kernel - 1) at the start, its 'same' half of "
            "that at either end"
        )
    return "the same sides in both"
