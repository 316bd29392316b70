"""Tables of training: outcome, time and memory, equality of the start, time to an accuracy, published results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from parity.networks import NETWORKS, Published
from parity.results import Epoch, Training
from reports.evidence import Sourced, epochs_of, is_drawn, network_order
from reports.text import (
    NOT_RECORDED,
    NOTHING,
    TITLES,
    code,
    count,
    duration,
    figures,
    framework_title,
    is_number,
    memory,
    percent,
    plain,
    table,
)

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
IDENTICAL = "identical"
DIFFERENT = "**DIFFERENT**"
CIFAR_IMAGES = 50_000  # in the training split


@dataclass(frozen=True)
class Race:
    """The trainings of one network from one seed, by framework."""

    network: str
    seed: int
    trained: dict[str, Training]

    @property
    def both(self) -> tuple[Training, Training] | None:
        """The records of the project's two frameworks, or None when one is absent."""
        found = [self.trained[framework] for framework in TITLES if framework in self.trained]
        return (found[0], found[1]) if len(found) == 2 else None


def races(trainings: Sequence[Sourced[Training]]) -> list[Race]:
    """Training records grouped by network and seed."""
    grouped: dict[tuple[str, int], dict[str, Training]] = {}
    for item in trainings:
        grouped.setdefault((item.record.network, item.record.seed), {})[item.record.framework] = item.record
    order = sorted(grouped, key=lambda key: (network_order(key[0]), key[1]))
    return [Race(*key, grouped[key]) for key in order]


def progress(record: Training) -> str:
    """Epochs done of epochs planned; a run that stopped early is labelled partial."""
    done = len(record.epochs)
    return f"{done} of {record.epochs_planned}" + (" **partial**" if done < record.epochs_planned else "")


def outcome_table(trainings: Sequence[Training]) -> str:
    """Accuracy after the last finished epoch, and the best test accuracy on the way."""
    headers = ["network", "framework", "recipe", "seed", "epochs", "train images", "train %", "test %", "best test %"]
    rows = []
    for record in trainings:
        epochs = epochs_of(record)
        last = epochs[-1] if epochs else None
        sound = [epoch for epoch in epochs if is_number(epoch.test_accuracy)]
        best = max(sound, key=lambda epoch: epoch.test_accuracy, default=None)
        rows.append(
            [
                code(record.network),
                framework_title(record.framework),
                code(record.recipe),
                plain(record.seed),
                progress(record),
                count(record.train_images),
                percent(last.train_accuracy) if last else NOTHING,
                percent(last.test_accuracy) if last else NOTHING,
                f"{percent(best.test_accuracy)} (epoch {best.epoch})" if best else NOTHING,
            ]
        )
    return table(headers, rows, ["seed", "epochs", *headers[5:]])


def cost_table(trainings: Sequence[Training]) -> str:
    """Time and memory of each training run."""
    headers = ["network", "framework", "batch", "mode", "training", "an epoch", "images/s", "first step", "peak memory"]
    rows = []
    for record in trainings:
        epochs = epochs_of(record)
        seconds = sum(epoch.seconds for epoch in epochs)
        speed = record.train_images * len(epochs) / seconds if is_number(seconds) and seconds > 0 else None
        rows.append(
            [
                code(record.network),
                framework_title(record.framework),
                count(record.batch),
                plain(record.mode),
                duration(record.seconds),
                duration(seconds / len(epochs)) if epochs else NOTHING,
                figures(speed),
                duration(record.first_seconds),
                memory(record.peak_memory),
            ]
        )
    return table(headers, rows, ["batch", *headers[4:]])


def same(first: str, second: str) -> str:
    """Whether two digests show the same bytes; a digest that was not recorded shows nothing."""
    if not first or not second:
        return f"**{NOT_RECORDED}**"
    return IDENTICAL if first == second else DIFFERENT


def first_not_finite(record: Training) -> int | None:
    """The first epoch with a loss or accuracy that is no finite number, or None."""
    for epoch in epochs_of(record):
        if not all(map(is_number, (epoch.train_loss, epoch.train_accuracy, epoch.test_loss, epoch.test_accuracy))):
            return epoch.epoch
    return None


def unlike(first: Training, second: Training) -> list[str]:
    """Names of the settings in which two trainings differ though a comparison needs them equal."""
    settings = ("recipe", "dataset", "train_images", "test_images", "batch", "precision", "epochs_planned")
    return [name.replace("_", " ") for name in settings if getattr(first, name) != getattr(second, name)]


def difference(first: Training, second: Training) -> tuple[str, int]:
    """First minus second in test accuracy, in percentage points, after the last epoch that both finished."""
    common = min(len(first.epochs), len(second.epochs))
    if not common:
        return NOTHING, 0
    accuracies = [epochs_of(record)[common - 1].test_accuracy for record in (first, second)]
    if not all(is_number(accuracy) for accuracy in accuracies):
        return "**NaN**", common
    return f"{round(100 * (accuracies[0] - accuracies[1]), 2) + 0.0:+.2f}", common  # + 0.0: no "-0.00"


def pair_table(groups: Sequence[Race]) -> str:
    """Whether both frameworks started from the same weights and saw the same batches, and how far apart they ended."""
    headers = [
        "network",
        "seed",
        "initial weights",
        "batches",
        "difference in test accuracy",
        "after epoch",
        "settings",
    ]
    rows = []
    for race in groups:
        names = [code(race.network), plain(race.seed)]
        if race.both is None:
            only = " and ".join(framework_title(framework) for framework in race.trained)
            rows.append([*names, NOTHING, NOTHING, NOTHING, NOTHING, f"**only {only} was trained**"])
            continue
        first, second = race.both
        points, common = difference(first, second)
        differing = unlike(first, second)
        rows.append(
            [
                *names,
                same(first.initial_digest, second.initial_digest),
                same(first.batches_digest, second.batches_digest),
                f"{points} points" if common and "NaN" not in points else points,
                str(common),
                f"**DIFFERENT: {', '.join(differing)}**" if differing else "the same",
            ]
        )
    return table(headers, rows, ["seed", headers[4], "after epoch"])


def reached(epochs: Sequence[Epoch], accuracy: float) -> str:
    """Epochs and seconds of training until an epoch's training accuracy was at least `accuracy`, or a dash."""
    seconds = 0.0
    for number, epoch in enumerate(epochs, start=1):
        seconds += epoch.seconds
        if epoch.train_accuracy >= accuracy:
            return f"{number} ep, {duration(seconds)}"
    return NOTHING


def reach_table(trainings: Sequence[Training]) -> str | None:
    """Epochs and time to training accuracies; None when no run came to the lowest."""
    everything = [epochs_of(record) for record in trainings]
    top = max(
        (epoch.train_accuracy for epochs in everything for epoch in epochs if is_number(epoch.train_accuracy)),
        default=0,
    )
    columns = [accuracy for accuracy in THRESHOLDS if accuracy <= top]
    if not columns:
        return None
    headers = ["network", "framework", "seed", *(f"{100 * accuracy:.0f} %" for accuracy in columns)]
    rows = [
        [code(record.network), framework_title(record.framework), plain(record.seed)]
        + [reached(epochs, accuracy) for accuracy in columns]
        for record, epochs in zip(trainings, everything, strict=True)
    ]
    return table(headers, rows, headers[2:])


def published_table(groups: Sequence[Race]) -> str | None:
    """Our accuracies, in the order of `TITLES`, beside those of the documents, with why they are not like for like."""
    headers = [
        "network",
        "document",
        "published test %",
        "epochs",
        "time",
        "ours, test %",
        "our epochs",
        "like for like",
    ]
    rows = []
    for race in groups:
        ours = [race.trained.get(framework) for framework in TITLES]
        finals = [
            percent(epochs_of(record)[-1].test_accuracy) if record and record.epochs else NOTHING for record in ours
        ]
        done = [str(len(record.epochs)) if record else NOTHING for record in ours]
        for published in NETWORKS[race.network].published if race.network in NETWORKS else ():
            made_with = "" if published.framework == "not stated" else f" ({framework_title(published.framework)})"
            rows.append(
                [
                    code(race.network),
                    published.source + made_with,
                    f"{published.accuracy:g}",
                    str(published.epochs),
                    _published_time(published),
                    " / ".join(finals),
                    " / ".join(dict.fromkeys(done)),
                    _likeness(race, published),
                ]
            )
    return table(headers, rows, ["published test %", "epochs", "ours, test %", "our epochs"]) if rows else None


def _published_time(published: Published) -> str:
    """Seconds of the whole training or of an epoch, with the hardware."""
    if published.seconds is not None:
        time = duration(published.seconds)
    elif published.epoch_seconds is not None:
        time = f"{published.epoch_seconds:g} s an epoch"
    else:
        return "not stated"
    return f"{time} on {published.hardware}"


def _likeness(race: Race, published: Published) -> str:
    """Why our figures cannot be held against the published one; hardware aside, which always differs."""
    reasons = []
    records = list(race.trained.values())
    done = min(len(record.epochs) for record in records)
    if done < published.epochs:
        reasons.append(f"{done} of {published.epochs} epochs")
    if any(is_drawn(record.dataset) for record in records):
        reasons.append("generated images")
    elif any("(official files)" not in record.dataset or record.train_images < CIFAR_IMAGES for record in records):
        reasons.append("not the full official data set")
    return "no: " + ", ".join(reasons) if reasons else "accuracy yes, time no"
