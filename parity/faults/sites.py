"""Where in a network a fault can be put: the kinds of sites, each with the stages of a network that belong to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from parity.diagnosis.scene import EVALUATION, IMAGES, LOSS, OPTIMIZER, START, TRAINING, Scene

HUNDREDS = 400  # images of an evaluation's batch; three in four are right, which is more than a byte holds


def sites_of(kind: str, scene: Scene) -> list[str]:
    """The stages of a kind of site; empty where the network has none.

    Args:
        kind: as in `parity.catalogue.traps.Fault.where`.
        scene: of the network.

    Raises:
        KeyError: an unknown kind.
    """
    return _KINDS[kind](scene)


def layer_of_same_kernel(name: str, scene: Scene) -> str | None:
    """The next layer whose kernel has the same shape, the first layer being next to the last; None where there is none.

    Args:
        name: of a layer with a kernel.
        scene: of the network.
    """
    names = [layer["name"] for layer in scene.layers if scene.kernel(layer["name"]) == scene.kernel(name)]
    others = names[names.index(name) + 1 :] + names[: names.index(name)]
    return others[0] if others else None


def _products(scene: Scene) -> list[str]:
    return [*scene.layers_of_kind("conv"), *scene.layers_of_kind("dense")]


def _strided_pool(layer: dict[str, Any]) -> bool:
    """Whether SAME pads at all: a 2x2 window with stride 2 needs no padding on an even map."""
    return bool(layer["stride"] > 1 and layer["padding"] == "same" and layer["window"] > layer["stride"])


def _if(condition: bool, stage: str) -> list[str]:
    return [stage] if condition else []


def _maps_rows(scene: Scene) -> list[str]:
    maps_of = [(name, scene.flattened(name)) for name in scene.layers_of_kind("dense")]
    return [name for name, maps in maps_of if maps and maps[0] * maps[1] > 1 and maps[2] > 1]


_KINDS: dict[str, Callable[[Scene], list[str]]] = {
    "convolution with stride and SAME": lambda s: s.layers_of_kind(
        "conv", lambda layer: layer["stride"] > 1 and layer["padding"] == "same" and s.kernel(layer["name"])[0] > 1
    ),
    "max-pool with stride and SAME": lambda s: s.layers_of_kind("max_pool", _strided_pool),
    "batch norm": lambda s: s.layers_of_kind("batch_norm"),
    "fully connected on maps": _maps_rows,
    "convolution of 3x3 or more": lambda s: s.layers_of_kind("conv", lambda layer: s.kernel(layer["name"])[0] > 1),
    "square fully connected": lambda s: [n for n in s.layers_of_kind("dense") if len(set(s.kernel(n))) == 1],
    "kernel of the same shape as another's": lambda s: [n for n in _products(s) if layer_of_same_kernel(n, s)],
    "decaying optimizer": lambda s: _if(s.recipe.l2 > 0, OPTIMIZER),
    "optimizer with momentum": lambda s: _if(s.recipe.optimizer.kind in ("momentum", "nesterov"), OPTIMIZER),
    "Adam": lambda s: _if(s.recipe.optimizer.kind == "adam", OPTIMIZER),
    "any optimizer": lambda s: [OPTIMIZER],
    "loss": lambda s: [LOSS],
    "dropout": lambda s: s.layers_of_kind("dropout"),
    "dropout whose rate is not a half": lambda s: s.layers_of_kind("dropout", lambda layer: layer["rate"] != 0.5),
    "LRN": lambda s: s.layers_of_kind("lrn"),
    "ReLU": lambda s: s.layers_of_kind("relu"),
    "logits": lambda s: s.layers_of_kind("dense")[-1:],
    "layer with bias": lambda s: [n for n in _products(s) if f"{n}/bias" in s.shapes],
    "images": lambda s: [IMAGES],
    "images less their mean": lambda s: _if(s.recipe.subtract_mean, IMAGES),
    "product": _products,
    "average pool": lambda s: [*s.layers_of_kind("average_pool"), *s.layers_of_kind("adaptive_average_pool")],
    "optimizer with a memory": lambda s: _if(s.recipe.optimizer.kind != "sgd", OPTIMIZER),
    "training": lambda s: [TRAINING],
    "evaluation": lambda s: [EVALUATION],
    "evaluation of hundreds at once": lambda s: _if(s.evaluation_batch >= HUNDREDS, EVALUATION),
    "evaluation less the images' mean": lambda s: _if(s.recipe.subtract_mean, EVALUATION),
    "evaluation with batch norm, without dropout": lambda s: _if(
        bool(s.layers_of_kind("batch_norm")) and not s.layers_of_kind("dropout"), EVALUATION
    ),
    "evaluation with batch norm or dropout": lambda s: _if(
        bool(s.layers_of_kind("batch_norm") or s.layers_of_kind("dropout")), EVALUATION
    ),
    "first weights": lambda s: [START],
    "first weights with biases": lambda s: _if(any(name.endswith("/bias") for name in s.shapes), START),
}
