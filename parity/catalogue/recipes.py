"""Training recipes as data, and the learning rate of every step, computed here once for both frameworks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from parity.catalogue.designs import float32
from parity.catalogue.entries import KERAS_CIFAR_POST, PADDLE_VGG_POST, SMALL_NETWORKS_POST
from parity.catalogue.resnets import KERAS_RESNET_EXAMPLE

EVALUATION_BATCH = 500  # test images, which are evaluated so many at a time


@dataclass(frozen=True)
class Augmentation:
    """Random crops from a padded image, and mirroring.

    Attributes:
        pad: pixels added on each side; crop offsets are uniform in [0, 2 * pad].
        fill: what the added pixels hold: zeros, or the nearest pixel of the image.
        flip: whether each image is mirrored left to right with probability one half.
    """

    pad: int
    fill: Literal["zero", "edge"]
    flip: bool

    def __post_init__(self) -> None:
        if self.pad < 0:
            raise ValueError(f"pad: expected 0 or more pixels, found {self.pad}")
        if self.fill not in ("zero", "edge"):
            raise ValueError(f"fill: expected 'zero' or 'edge', found {self.fill!r}")


NO_AUGMENTATION = Augmentation(pad=0, fill="zero", flip=False)

CONVERGENCE_POST = "Question: why VGG-16 needs fewer epochs than ResNet-20 (forum post)"


@dataclass(frozen=True)
class Optimizer:
    """An update rule; g is the gradient with weight decay added, lr the step's learning rate.

    "sgd": w -= lr * g. "momentum": v = momentum * v + g; w -= lr * v. "nesterov": the same v;
    w -= lr * (g + momentum * v).
    "adam": Kingma and Ba (2015), algorithm 1, epsilon outside of the corrected root:
    w -= lr * m_hat / (sqrt(v_hat) + epsilon).

    All numbers are float32 numbers even in a float64 model: Paddle stores some as float32 attributes, so the other
    twin has to be given the same rounded values.
    """

    kind: str
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("momentum", "beta1", "beta2", "epsilon"):
            object.__setattr__(self, name, float32(getattr(self, name)))


@dataclass(frozen=True)
class Schedule:
    """lr(step, epoch) = base * factor(epoch) / (1 + inverse_time * step); epochs and steps counted from 0.

    `drops` are (epoch, factor): from that epoch on the factor holds. `every` multiplies by `every_factor` each so many
    epochs.
    """

    base: float
    drops: tuple[tuple[int, float], ...] = ()
    every: int = 0
    every_factor: float = 1.0
    inverse_time: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Everything about a training run but the network, the data and the seed."""

    name: str
    source: str
    batch: int
    optimizer: Optimizer
    schedule: Schedule
    epochs: int
    init: str  # scheme of parity.weights.initializers.training_state
    l2: float = 0.0  # gradient += l2 * w; a float32 number, as the optimizer's are
    l2_scope: str = "all"  # "all", "kernels" or "conv kernels"
    augmentation: Augmentation = NO_AUGMENTATION
    subtract_mean: bool = False  # the training images' mean of every pixel, after the division by 255
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "l2", float32(self.l2))


KERAS_SHIFTS = Augmentation(pad=3, fill="edge", flip=True)  # up to 10 % of 32 pixels

NO_AUGMENTATION_SUFFIX = "-noaug"

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="paddle_vgg",
            source=PADDLE_VGG_POST,
            batch=128,
            optimizer=Optimizer("momentum"),
            schedule=Schedule(0.1, every=100, every_factor=0.1),
            epochs=200,
            init="he_normal",
            l2=2e-4,
        ),
        Recipe(
            name="plain_vgg",
            source=PADDLE_VGG_POST,
            batch=128,
            optimizer=Optimizer("nesterov"),
            schedule=Schedule(0.01),
            epochs=200,
            init="he_normal",
            l2=5e-4,
            l2_scope="kernels",
            note="The TensorFlow listing times steps without training; optimizer and rate are this suite's choice.",
        ),
        Recipe(
            name="keras_vgg",
            source=KERAS_CIFAR_POST,
            batch=128,
            optimizer=Optimizer("nesterov"),
            schedule=Schedule(0.01, inverse_time=1e-6),
            epochs=100,
            init="glorot_uniform",
            note="Rate and decay are arguments of the listing; 0.01 and 1e-6 are this suite's choice.",
        ),
        Recipe(
            name="keras_vgg_150",  # for GoogLeNet and ResNet-18
            source=KERAS_CIFAR_POST,
            batch=128,
            optimizer=Optimizer("nesterov"),
            schedule=Schedule(0.01, inverse_time=1e-6),
            epochs=150,
            init="glorot_uniform",
            note="Rate and decay are arguments of the listing; 0.01 and 1e-6 are this suite's choice.",
        ),
        Recipe(
            name="keras_resnet",
            source=KERAS_RESNET_EXAMPLE,
            batch=32,
            optimizer=Optimizer("adam", epsilon=1e-7),
            schedule=Schedule(1e-3, drops=((81, 0.1), (121, 0.01), (161, 0.001), (181, 0.0005))),
            epochs=200,
            init="he_normal",
            l2=2e-4,  # Keras l2(1e-4): the gradient of 1e-4 * w**2
            l2_scope="conv kernels",
            augmentation=KERAS_SHIFTS,
            subtract_mean=True,
            note="Shifts of up to 10 % are whole pixels here, up to 3.",
        ),
        Recipe(
            name="mini",
            source=SMALL_NETWORKS_POST,
            batch=100,
            optimizer=Optimizer("adam", epsilon=1e-8),
            schedule=Schedule(1e-3, every=20, every_factor=1 / 3),
            epochs=80,
            init="torch",
            augmentation=Augmentation(pad=4, fill="zero", flip=True),
        ),
        Recipe(
            name="convergence",
            source=CONVERGENCE_POST,
            batch=512,
            optimizer=Optimizer("adam", epsilon=1e-7),
            schedule=Schedule(1e-3),
            epochs=20,
            init="he_normal",
            augmentation=KERAS_SHIFTS,
            subtract_mean=True,
            note="The document names Adam and 1e-3; epsilon is Keras's default.",
        ),
    )
}


def recipe_of(name: str, *, augmentation: bool = True) -> Recipe:
    """The training recipe of that name.

    Args:
        name: a key of `RECIPES`, such as "mini"; with the suffix "-noaug" without augmentation.
        augmentation: False for the recipe without augmentation.

    Returns:
        The recipe, named with the suffix where its augmentation was taken away.

    Raises:
        ValueError: there is none; the message lists the names.

    Example:
        >>> recipe_of("mini", augmentation=False).name
        'mini-noaug'
    """
    base = name.removesuffix(NO_AUGMENTATION_SUFFIX)
    if base not in RECIPES:
        raise ValueError(
            f"no recipe named {name!r}; there are: {', '.join(RECIPES)}, each also with {NO_AUGMENTATION_SUFFIX!r}"
        )
    recipe = RECIPES[base]
    if (base == name and augmentation) or recipe.augmentation == NO_AUGMENTATION:
        return recipe
    return replace(recipe, name=base + NO_AUGMENTATION_SUFFIX, augmentation=NO_AUGMENTATION)


def learning_rates(schedule: Schedule, epoch: int, steps: int) -> np.ndarray:
    """The learning rate of each step of an epoch.

    Args:
        schedule: the recipe's.
        epoch: counted from 0.
        steps: of each epoch.

    Returns:
        float32 [steps], computed in float64 and rounded once.

    Example:
        >>> learning_rates(Schedule(0.5, drops=((10, 0.5),)), epoch=10, steps=2).tolist()
        [0.25, 0.25]
    """
    factor = 1.0
    for start, value in schedule.drops:
        if epoch >= start:
            factor = value
    if schedule.every:
        factor *= schedule.every_factor ** (epoch // schedule.every)
    step = epoch * steps + np.arange(steps)
    return (schedule.base * factor / (1.0 + schedule.inverse_time * step)).astype(np.float32)


def decayed(entry_name: str, layer_kind: str, scope: str) -> bool:
    """Whether weight decay acts on a trainable array.

    Args:
        entry_name: the array's canonical name, such as "group1/conv/kernel".
        layer_kind: kind of its layer, such as "conv".
        scope: "all", "kernels" or "conv kernels".

    Returns:
        Biases, gammas and betas are decayed in the scope "all" only.

    Raises:
        ValueError: an unknown scope.

    Example:
        >>> decayed("head/logits/kernel", "dense", "conv kernels")
        False
    """
    if scope == "all":
        return True
    if scope == "kernels":
        return entry_name.endswith("/kernel")
    if scope == "conv kernels":
        return entry_name.endswith("/kernel") and layer_kind == "conv"
    raise ValueError(f"unknown scope of weight decay {scope!r}; known: all, kernels, conv kernels")


@dataclass(frozen=True)
class TrainerSettings:
    """What a worker's trainer needs besides the seed; plans and learning rates are sent as arrays.

    Attributes:
        batch: images a step.
        optimizer: the update rule.
        l2, l2_scope: as in `Recipe`.
        mode: how a step runs: "eager", "to_static" (Paddle), "tf.function", "xla" (TensorFlow), or "auto".
        precision: "float32", "float64", "tf32" or "bfloat16".
    """

    batch: int
    optimizer: Optimizer
    l2: float = 0.0
    l2_scope: str = "all"
    mode: str = "auto"
    precision: str = "float32"

    def as_arguments(self) -> dict[str, Any]:
        """As plain JSON values, by the names of the trainer's arguments.

        Returns:
            The optimizer as a dictionary of its fields.
        """
        return asdict(self)


def trainer_settings(
    recipe: Recipe, *, batch: int | None = None, mode: str = "auto", precision: str = "float32"
) -> TrainerSettings:
    """A recipe's settings for a worker's trainer.

    Args:
        recipe: the training's.
        batch: images a step, in place of the recipe's.
        mode: as in `TrainerSettings`.
        precision: "float32", "float64", "tf32" or "bfloat16".

    Returns:
        With the recipe's update rule and weight decay; learning rates are not among them.

    Example:
        >>> trainer_settings(recipe_of("mini"), batch=8).batch
        8
    """
    return TrainerSettings(batch or recipe.batch, recipe.optimizer, recipe.l2, recipe.l2_scope, mode, precision)
