"""What a distortion does to the messages of a worker, whichever method of the client sends them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from parity.catalogue.recipes import Optimizer, TrainerSettings
from parity.faults.tampering import Distortion, TamperedWorker
from parity.numerics.arrays import pack
from parity.workers.client import Client
from parity.workers.reply import Reply

STATE = {"fc/bias": np.ones(2, np.float32)}

SETTINGS = TrainerSettings(8, Optimizer("sgd"), l2=0.5)


class Echo(Client):
    """Gives back the arrays that it is sent, and keeps what it was asked."""

    framework = "paddle"

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(
        self,
        verb: str,
        *,
        network: str | None = None,
        arrays: Mapping[str, np.ndarray] | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
        **arguments: Any,
    ) -> Reply:
        self.asked.append((verb, arguments | {"arrays": dict(arrays or {})}))
        result = {"mode": "eager", "loss": 0.0, "accuracy": 0.0, "seconds": 1.0, "images": 8, "problem": ""}
        keys = {"start_training": ("mode",), "train_epoch": ("loss", "accuracy", "seconds", "images")}
        return Reply({key: result[key] for key in keys.get(verb, ("problem",))}, dict(arrays or {}))


def tampered(distortion: Distortion) -> tuple[TamperedWorker, Echo]:
    echo = Echo()
    return TamperedWorker(echo, distortion), echo  # type: ignore[arg-type]


def test_a_state_is_changed_on_its_way_in_and_back() -> None:
    worker, echo = tampered(
        Distortion(
            state=lambda state: {name: 2 * array for name, array in state.items()},
            back=lambda state: {name: array + 1 for name, array in state.items()},
        )
    )
    back = worker.round_trip("lenet5", STATE)
    assert echo.asked[0][1]["arrays"]["fc/bias"].tolist() == [2, 2]
    assert back["fc/bias"].tolist() == [3, 3]
    stages = worker.stages("lenet5", "float64", pack(state=STATE, images={"nhwc": np.ones((1, 2, 2, 3))}))
    assert stages["state:fc/bias"].tolist() == [3, 3]
    assert stages["images:nhwc"].tolist() == np.ones((1, 2, 2, 3)).tolist()


def test_the_settings_of_a_training_are_changed_and_those_of_nothing_else() -> None:
    worker, echo = tampered(Distortion(settings=lambda settings: settings | {"l2": settings["l2"] / 2}))
    assert worker.start_training("lenet5", 0, pack(state=STATE), SETTINGS) == "eager"
    assert worker.supports("float64") == ""
    (_, started), (_, asked) = echo.asked
    assert started["l2"] == 0.25
    assert asked == {"precision": "float64", "arrays": {}}


def test_rates_come_late_across_epochs() -> None:
    worker, echo = tampered(Distortion(late=1))
    worker.start_training("lenet5", 0, pack(state=STATE), SETTINGS)
    for rates in ([1.0, 2.0], [3.0, 4.0]):
        worker.train_epoch("lenet5", {"rate": np.array(rates, np.float32)})
    assert [asked["arrays"]["rate"].tolist() for _, asked in echo.asked[1:]] == [[1, 1], [2, 3]]


def test_all_else_is_the_workers_own() -> None:
    worker, _ = tampered(Distortion())
    assert worker.framework == "paddle"
