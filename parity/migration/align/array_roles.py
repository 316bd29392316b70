"""What an array of a layer is, by its name."""

from __future__ import annotations

# What the last part of an array's name says it is, in either framework.
ROLES = {
    "kernel": "kernel",
    "depthwise_kernel": "kernel",
    "weight": "kernel",
    "embeddings": "kernel",
    "recurrent_kernel": "recurrent",
    "bias": "bias",
    "beta": "bias",
    "gamma": "scale",
    "moving_mean": "mean",
    "_mean": "mean",
    "moving_variance": "variance",
    "_variance": "variance",
    "alpha": "kernel",
    "_weight": "kernel",
    "w_0": "kernel",  # as Paddle names them in a saved program
    "b_0": "bias",
    "w_1": "mean",
    "w_2": "variance",
}

GATED = {"kernel", "recurrent", "bias", "recurrent_bias"}  # roles of a recurrent layer's arrays


def role(name: str) -> str:
    """What an array is by the last part of its name; that part itself where it is not a usual one.

    Args:
        name: "dense/kernel" or "fc.weight".

    Returns:
        "kernel", "recurrent", "bias", "scale", "mean", "variance", or the last part.
    """
    last = name.replace(".", "/").rpartition("/")[2]
    if last.startswith(("weight_ih", "bias_ih")):
        return "kernel" if last.startswith("weight") else "bias"
    if last.startswith(("weight_hh", "bias_hh")):
        return "recurrent" if last.startswith("weight") else "recurrent_bias"
    return ROLES.get(last, last)
