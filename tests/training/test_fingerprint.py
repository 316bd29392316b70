"""What tells one training from another: all that decides its outcome, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from parity.catalogue.recipes import Recipe, Schedule, recipe_of
from parity.data.dataset import Dataset
from parity.training.fingerprint import configuration, differences, fingerprint
from parity.training.run import Settings
from parity.workers.frameworks import FRAMEWORKS
from parity.workers.pool import Workers

Configured = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", params=FRAMEWORKS)
def configured(request: pytest.FixtureRequest, workers: Workers, dataset: Dataset) -> Configured:
    """The configuration of a training of LeNet-5, or of one with other arguments."""

    def configured(**changes: Any) -> dict[str, Any]:
        name, images = changes.pop("name", "lenet5"), changes.pop("dataset", dataset)
        settings = Settings(recipe_of("mini"), batch=100).resolved(name)
        return configuration(workers[request.param], name, images, replace(settings, **changes))

    return configured


def other_recipe(**changes: Any) -> dict[str, Recipe]:
    return {"recipe": replace(recipe_of("mini"), **changes)}


def test_the_same_training_is_the_same(configured: Configured) -> None:
    one = configured()
    for same in (configured(), configured(**other_recipe(epochs=3, note="a remark", source="elsewhere"))):
        assert differences(same, one) == []
        assert fingerprint(same) == fingerprint(one)


@pytest.mark.parametrize(
    ("changes", "entries"),
    [
        (other_recipe(schedule=Schedule(2e-3, every=20, every_factor=1 / 3)), ["recipe"]),
        (other_recipe(l2=1e-4), ["recipe"]),
        ({"seed": 1}, ["seed"]),
        ({"batch": 50}, ["batch"]),
        ({"precision": "float64"}, ["precision"]),
        ({"name": "lenet5-100c"}, ["network", "design"]),
        ({"name": "alexnet"}, ["network", "design", "code"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_another_training_is_another(configured: Configured, changes: dict[str, Any], entries: list[str]) -> None:
    one, other = configured(), configured(**changes)
    assert fingerprint(one) != fingerprint(other)
    assert [line.partition(":")[0] for line in differences(other, one)] == entries


def test_other_images_are_another_training(configured: Configured, dataset: Dataset) -> None:
    other = configured(dataset=dataset.limited(299))
    assert [line.partition(":")[0] for line in differences(other, configured())] == ["data set"]


def test_versions_count(configured: Configured) -> None:
    """As the worker tells them, and numpy's here, with which the weights and the order of images are drawn."""
    one = configured()
    for entry, version in (("framework version", "0.1"), ("package versions", {"numpy": "0.1"})):
        assert one[entry]
        assert fingerprint(one | {entry: version}) != fingerprint(one)
    assert "numpy of the suite" in one["package versions"]
