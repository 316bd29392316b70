"""What the report's tests share: records as a run saves them, and a reader's eyes for the report made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from parity.records.accuracy_records import CrossEvaluation
from parity.records.records import Curves, Epoch, OwnGap, Proof, Record, RunPair, Training
from parity.records.speed_records import Speed
from reports import write_report

OFFICIAL = "CIFAR-10 (official files)"

ELEMENTS = {"stages": 11, "elements": 4321}

CERTIFICATE = Proof("lenet5", 1, "transfer certificate", True, OFFICIAL, {"arrays": 10, "elements": 62006}, 0.0, 0.0)

DOUBLE = Proof("lenet5", 2, "float64 forward", True, OFFICIAL, ELEMENTS, 2.1e-15, 1e-12, "fc1")

SINGLE = Proof(
    "lenet5",
    3,
    "float32 forward",
    True,
    OFFICIAL,
    ELEMENTS,
    4e-7,
    3e-6,
    "fc1",
    frameworks={
        "paddle": OwnGap(4e-7, 3e-6, "fc1"),
        "tensorflow": OwnGap(2e-7, 3e-6, "fc2"),
    },
)

MODES = {
    "stages": 11,
    "running statistics": 4,
    "batch norms alone, paddle float64": 6,
    "batch norms alone, tensorflow float64": 6,
    "elements": 9876,
}

TRAIN_MODE = Proof("lenet5", 4, "train-mode forward", True, OFFICIAL, MODES, 3.1e-15, 1e-12, "group1/relu")

GRADIENTS = Proof(
    "lenet5", 5, "gradients", True, OFFICIAL, {"gradients": 10, "elements": 62006}, 4e-15, 1e-10, "fc1/bias"
)

STEPS = Proof(
    "lenet5",
    6,
    "optimizer steps: adam",
    True,
    OFFICIAL,
    {"arrays": 10, "elements": 62006, "steps": 10},
    5e-14,
    1e-9,
    "fc1/kernel",
)

FRAMEWORKS_ALONE = {
    "paddle": OwnGap(3e-7, 9e-6, "position 1 of 500"),
    "tensorflow": OwnGap(4e-7, 9e-6, "position 2 of 500"),
}

EVALUATED = {"images": 1250, "positions": 501, "elements": 75004, "arrays untouched": 81, "arrays trained on": 81}

EVALUATION = Proof(
    "lenet5",
    7,
    "evaluation",
    True,
    OFFICIAL,
    EVALUATED,
    4e-7,
    9e-6,
    "position 2 of 500",
    frameworks=FRAMEWORKS_ALONE,
)

FLOAT32_STEP = Proof(
    "lenet5",
    8,
    "float32 training step",
    True,
    OFFICIAL,
    {"steps": 6, "classes": 10, "arrays": 288, "elements": 1881916},
    2e-2,
    0.17,
    "m/group2/conv/kernel",
    frameworks=FRAMEWORKS_ALONE,
)

PROOFS = (CERTIFICATE, DOUBLE, SINGLE, TRAIN_MODE, GRADIENTS, STEPS, EVALUATION, FLOAT32_STEP)

ALL_PASSED = ["passed"] * len(PROOFS)

EPOCH = Epoch(1, 1e-3, 1.5, 0.45, 1.4, 0.48, 30.0, 1666.0)

SPEED = Speed("lenet5", "paddle", "train step", 128, "to_static", "float32", "cpu", 2, 10, 3.2)

TRAINING = Training(
    "lenet5",
    "paddle",
    "mini",
    OFFICIAL,
    50_000,
    10_000,
    100,
    0,
    "to_static",
    "float32",
    "cpu",
    2,
    [EPOCH, replace(EPOCH, epoch=2, test_accuracy=0.55)],
    2,
    60.0,
    3.2,
    500 * 2**20,
    "ab",
    "cd",
)

CROSS = CrossEvaluation("lenet5", OFFICIAL, 0, "paddle", "tensorflow", 10_000, 0.55, 0.55, 2e-6, [])

ENVIRONMENT: dict[str, Any] = {
    "profile": "quick",
    "seed": 0,
    "command": "pytest parity/ --benchmark-save=lenet",
    "dataset": {"title": OFFICIAL, "source": "/home/someone/data/cifar-10-python.tar.gz"},
    "frameworks": {
        "paddle": {"version": "3.3.1", "device": "cpu", "threads": 2, "precision": {"verdict": "float32"}},
        "tensorflow": {"version": "2.21.0", "device": "cpu", "threads": 2, "precision": {"verdict": "float32"}},
    },
}

HEADLINE = "in PaddlePaddle 3.3.1 and TensorFlow 2.21.0"


def save(
    folder: Path,
    records: Sequence[Record],
    name: str = "0001_run.json",
    environment: dict[str, Any] | None = None,
    moment: str = "2026-02-03T04:05:06+00:00",
    median: float = 0.1,
) -> Path:
    """A saved run in pytest-benchmark's form."""
    stats = {"median": median, "min": median, "max": median, "mean": median, "stddev": 0.0, "iqr": 0.01, "rounds": 5}
    benchmarks = [
        {"name": f"test_{number}", "group": None, "stats": stats, "extra_info": record.as_dict()}
        for number, record in enumerate(records)
    ]
    machine = {"node": "machine", "parity": ENVIRONMENT if environment is None else environment}
    path = folder / name
    path.write_text(json.dumps({"machine_info": machine, "benchmarks": benchmarks, "datetime": moment}))
    return path


def report(folder: Path, records: Sequence[Record], **options: Any) -> str:
    """The Markdown of the report on one run of these records."""
    return write_report([save(folder, records, **options)], folder / "out" / "report.md").read_text()


def section(text: str, title: str) -> str:
    """The part under the heading that begins with `title`, up to the next heading of its own rank or above."""
    lines = text.splitlines()
    start = next((index for index, line in enumerate(lines) if line.lstrip("#").strip().startswith(title)), None)
    if start is None:
        raise AssertionError(f"no heading starts with {title!r} in:\n{text}")
    rank = len(lines[start]) - len(lines[start].lstrip("#"))
    kept = [lines[start]]
    for line in lines[start + 1 :]:
        if line.startswith("#") and len(line) - len(line.lstrip("#")) <= rank:
            break
        kept.append(line)
    return "\n".join(kept)


def row(text: str, *starts: str) -> list[str]:
    """The cells of the first table row that begins with these cells; a space in them is a space of any kind."""
    for line in text.replace("\N{NO-BREAK SPACE}", " ").splitlines():
        columns = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if line.startswith("|") and columns[: len(starts)] == list(starts):
            return columns
    raise AssertionError(f"no table row starts with {starts} in:\n{text}")


def rows(text: str) -> list[list[str]]:
    """All rows of all tables but the lines under their headers."""
    table_rows = []
    for line in text.replace("\N{NO-BREAK SPACE}", " ").splitlines():
        if line.startswith("|") and not line.startswith(("|:", "|-")):
            table_rows.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
    return table_rows


def both(record: Speed | Training, **changes: Any) -> list[Record]:
    """The record of the one framework, and of the other with some changes."""
    return [record, replace(record, framework="tensorflow", **changes)]


def trained(
    accuracies: Sequence[float], *, train: Sequence[float] | None = None, seconds: float = 30.0, **changes: Any
) -> Training:
    """A finished training with these test accuracies, one an epoch; the training accuracies are the same or `train`."""
    epochs = [
        replace(EPOCH, epoch=number, test_accuracy=test, train_accuracy=own, seconds=seconds)
        for number, (test, own) in enumerate(zip(accuracies, train or accuracies, strict=True), start=1)
    ]
    fields: dict[str, Any] = {"epochs": epochs, "epochs_planned": len(epochs)}
    return replace(TRAINING, **(fields | changes))


def seeds(framework: str, finals: Sequence[float], **changes: Any) -> list[Record]:
    """Trainings of two epochs with these final test accuracies, one a seed from 0."""
    return [trained([0.4, accuracy], framework=framework, seed=seed, **changes) for seed, accuracy in enumerate(finals)]


def loss_curves(
    parted: Mapping[str, int | None], *, steps: int = 40, largest: float = 0.02, spoilt: float | None = None
) -> Curves:
    """Curves of which the pairs part where `parted` says; keys: "float64", "float64 paddle" (own divergence).

    `spoilt` replaces one loss of the run "paddle float64".
    """
    names = dict.fromkeys(key.split()[0] for key in parted)
    losses = {}
    for precision in names:
        for index, framework in enumerate(("paddle", "tensorflow")):
            base = [2.3 - 0.01 * step for step in range(steps)]
            losses[f"{framework} {precision}"] = [
                loss * (1 + 1e-15 * index * 2**step) for step, loss in enumerate(base)
            ]
            losses[f"{framework} {precision} perturbed"] = [
                loss * (1 + 1e-15 * 2**step) for step, loss in enumerate(base)
            ]
    if spoilt is not None:
        losses["paddle float64"][3] = spoilt
    pairs: list[RunPair] = []
    for key, step in parted.items():
        precision, *own = key.split()
        one = f"{own[0] if own else 'paddle'} {precision}"
        other = f"{one} perturbed" if own else f"tensorflow {precision}"
        largest_difference = math.nan if spoilt is not None and not math.isfinite(spoilt) else largest
        pairs.append(RunPair(one, other, "divergence" if own else "frameworks", step, largest_difference))
    return Curves("lenet5", "mini", OFFICIAL, 100, 0, steps, losses, pairs, 1e-3)
