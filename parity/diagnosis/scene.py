"""What of a network decides where a fault can enter, and the names of stages that are no layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from parity.catalogue.recipes import Recipe
from parity.proofs.context import ProofContext
from parity.proofs.train_mode import recipe_for


def scene_of(context: ProofContext) -> Scene:
    """The scene of the context's network.

    Args:
        context: the network, its workers and its data; runs the float64 stages unless they are kept.

    Returns:
        As the first twin describes it.

    Raises:
        WorkerError: a worker failed, with what it said.
    """
    outputs = next(iter(context.stages("float64").values()))
    return Scene(
        layers=context.layers(),
        shapes={entry.name: entry.shape for entry in context.entries()},
        outputs={name: array.shape for name, array in outputs.items()},
        recipe=recipe_for(context),
        evaluation_batch=context.evaluation_batch,
    )


# stages that are no layers
IMAGES, LOSS, OPTIMIZER, START = "images", "loss", "optimizer", "first weights"

TRAINING, EVALUATION = "training", "evaluation"


@dataclass(frozen=True)
class Scene:
    """What of a network decides where a fault can enter.

    Attributes:
        layers: `name` and spec of each layer, in the order of the forward pass.
        shapes: of the state's arrays.
        outputs: shapes of the stages, the batch included.
        recipe: the network's own.
        evaluation_batch: how many images a proven evaluation takes at once.
    """

    layers: list[dict[str, Any]]
    shapes: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    recipe: Recipe
    evaluation_batch: int

    def layers_of_kind(self, kind: str, condition: Callable[[dict[str, Any]], bool] = lambda layer: True) -> list[str]:
        """The names of the layers of a kind that meet a condition on their spec.

        Args:
            kind: as the spec names it, such as "conv".
            condition: of a layer's `name` and spec; all layers meet the default.

        Returns:
            In the order of the forward pass.
        """
        return [layer["name"] for layer in self.layers if layer["kind"] == kind and condition(layer)]

    def kernel(self, name: str) -> tuple[int, ...]:
        """The shape of a layer's kernel.

        Args:
            name: of the layer.

        Returns:
            (h, w, in, out) or (in, out); () where the layer has none.
        """
        return self.shapes.get(f"{name}/kernel", ())

    def flattened(self, name: str) -> tuple[int, int, int] | None:
        """The maps that a fully connected layer's rows are of.

        Args:
            name: of the layer.

        Returns:
            (height, width, channels); None for other rows.

        Raises:
            ValueError: there is no layer of this name.
        """
        names = [layer["name"] for layer in self.layers]
        index = names.index(name)
        if index < 2 or self.layers[index - 1]["kind"] != "flatten":
            return None
        _, height, width, channels = self.outputs[names[index - 2]]
        assert height * width * channels == self.kernel(name)[0]
        return height, width, channels
