"""Where on the way through a network a fault can enter, as its stages say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from parity.catalogue.recipes import Recipe
from parity.proofs.context import ProofContext
from parity.proofs.train_mode import recipe_for


def scene_of(context: ProofContext) -> Scene:
    """What the places of the evidence's network depend on."""
    outputs = next(iter(context.stages("float64").values()))
    return Scene(
        layers=context.layers(),
        shapes={entry.name: entry.shape for entry in context.entries()},
        outputs={name: array.shape for name, array in outputs.items()},
        recipe=recipe_for(context),
        evaluation_batch=context.evaluation_batch,
    )


# places beside the layers
IMAGES, LOSS, OPTIMIZER, START = "images", "loss", "optimizer", "first weights"

TRAINING, EVALUATION = "training", "evaluation"


@dataclass(frozen=True)
class Scene:
    """What the places of a network depend on."""

    layers: list[dict[str, Any]]  # `name` and spec, in the order of the forward pass
    shapes: Mapping[str, tuple[int, ...]]  # of the state's arrays
    outputs: Mapping[str, tuple[int, ...]]  # of the stages, with the batch
    recipe: Recipe
    evaluation_batch: int

    def layers_of_kind(self, kind: str, condition: Callable[[dict[str, Any]], bool] = lambda layer: True) -> list[str]:
        """The layers of a kind that meet a condition."""
        return [layer["name"] for layer in self.layers if layer["kind"] == kind and condition(layer)]

    def kernel(self, name: str) -> tuple[int, ...]:
        """The shape of a layer's kernel; () where it has none."""
        return self.shapes.get(f"{name}/kernel", ())

    def flattened(self, name: str) -> tuple[int, int, int] | None:
        """(height, width, channels) of the maps whose rows a fully connected layer multiplies; None for other rows."""
        names = [layer["name"] for layer in self.layers]
        index = names.index(name)
        if index < 2 or self.layers[index - 1]["kind"] != "flatten":
            return None
        _, height, width, channels = self.outputs[names[index - 2]]
        assert height * width * channels == self.kernel(name)[0]
        return height, width, channels
