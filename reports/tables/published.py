"""Our results beside those of the documents, and what the documents took away to see what it was good for."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from parity.catalogue.designs import Published
from parity.records.records import Training
from reports.evidence.experiments import CONDITIONS, Experiment
from reports.evidence.merged_runs import is_drawn
from reports.evidence.network_facts import ablation, published
from reports.formatting import (
    NOTHING,
    TITLES,
    brief,
    code,
    duration,
    framework_title,
    is_number,
    percents,
    plain,
    signed,
    table,
)
from reports.tables.training import pace

CIFAR_IMAGES = 50_000  # in the training split


def published_table(groups: Sequence[Experiment]) -> str | None:
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
    for group in groups:
        finals = [percents([r.epochs[-1].test_accuracy for r in _counting(group, name)]) for name in TITLES]
        for result in published(group.network, group.sample.recipe):
            made_with = "" if result.framework == "not stated" else f" ({framework_title(result.framework)})"
            spread = f" ± {result.spread:g}" if result.spread is not None else ""
            rows.append(
                [
                    group.label,
                    plain(result.source) + made_with,
                    f"{result.accuracy:g}{spread}",
                    str(result.epochs),
                    _published_cost(result),
                    " / ".join(finals),
                    _our_epochs(group),
                    _likeness(group, result),
                ]
            )
    return table(headers, rows, ["published test %", "epochs", "ours, test %", "our epochs"]) if rows else None


def _counting(group: Experiment, framework: str) -> list[Training]:
    """The runs whose accuracies are shown: the finished ones; where none finished, those that came furthest."""
    if finished := group.sound(framework):
        return finished
    begun = [record for record in group.records(framework) if record.epochs]
    most = max((len(record.epochs) for record in begun), default=0)
    return [record for record in begun if len(record.epochs) == most]


def _our_epochs(group: Experiment) -> str:
    """Epochs behind our figures: one number, or one for each framework."""
    done = [str(len(records[0].epochs)) if (records := _counting(group, name)) else NOTHING for name in TITLES]
    return " / ".join(dict.fromkeys(done))


def _published_cost(result: Published) -> str:
    """Seconds of the whole training or of an epoch, with the hardware and the GPU's load."""
    if result.seconds is not None:
        time = duration(result.seconds)
    elif result.epoch_seconds is not None:
        time = f"{result.epoch_seconds:g} s an epoch"
    else:
        return "not stated"
    load = [f"{result.gpu_megabytes:g} MB"] if result.gpu_megabytes is not None else []
    load += [f"{result.gpu_percent:g} % busy"] if result.gpu_percent is not None else []
    return f"{time} on {result.hardware}" + (f" ({', '.join(load)})" if load else "")


def _likeness(group: Experiment, result: Published) -> str:
    """Why our figures cannot be held against the published one; hardware aside, which always differs."""
    reasons = []
    records = [record for framework in TITLES for record in _counting(group, framework)]
    done = min((len(record.epochs) for record in records), default=0)
    if done < result.epochs:
        reasons.append(f"**{done} of {result.epochs} epochs**")
    if is_drawn(group.sample.dataset):
        reasons.append("generated images")
    elif "(official files)" not in group.sample.dataset or group.sample.train_images < CIFAR_IMAGES:
        reasons.append("not the full official data set")
    return "no: " + ", ".join(reasons) if reasons else "accuracy yes, time no"


def ablation_table(groups: Sequence[Experiment]) -> str | None:
    """A row for each experiment that left something out, and framework: the base beside it, after the same epochs.

    None when nothing was left out anywhere. The base is the same network and recipe with it, on the same images; of
    several lengths the longest.
    """
    headers = [
        "network",
        "change",
        "framework",
        "seeds",
        "after epoch",
        "test %",
        "difference",
        "an epoch",
        "documents, %",
    ]
    rows = []
    for group in groups:
        taken = ablation(group.network, group.sample.recipe)
        if taken is None:
            continue
        base_name, base_recipe, change = taken
        base = _base(groups, group, base_name, base_recipe)
        stated = _stated((base_name, base_recipe), (group.network, group.sample.recipe))
        for framework in group.trained:
            own = group.records(framework)
            others = base.records(framework) if base else []
            rows.append([code(base_name), change, framework_title(framework), *_beside(others, own), stated])
    return table(headers, rows, headers[3:]) if rows else None


def _base(groups: Sequence[Experiment], group: Experiment, network: str, recipe: str) -> Experiment | None:
    """The experiment that an ablation is held against."""
    free = ("network", "recipe", "epochs_planned")
    fixed = [name for name in CONDITIONS if name not in free]
    bases = [
        other
        for other in groups
        if (other.network, other.sample.recipe, other.versions) == (network, recipe, group.versions)
        and all(getattr(other.sample, name) == getattr(group.sample, name) for name in fixed)
    ]
    return max(bases, key=lambda other: other.sample.epochs_planned, default=None)


def _beside(base: Sequence[Training], changed: Sequence[Training]) -> list[str]:
    """Seeds, epoch, both accuracies, their difference and both paces, after the last epoch that both sides reached."""
    furthest = [max((len(record.epochs) for record in side), default=0) for side in (base, changed)]
    common = min(furthest) if base else furthest[1]
    sides = [_accuracies(side, common) for side in (base, changed)]
    difference = NOTHING
    if all(sides):
        difference = signed(100 * (statistics.fmean(sides[1]) - statistics.fmean(sides[0])))
    return [
        " / ".join(str(len(side)) for side in sides),
        str(common),
        " / ".join(f"{100 * statistics.fmean(side):.2f}" if side else NOTHING for side in sides),
        difference if base else "**base not trained**",
        " / ".join(brief(pace(side).seconds) for side in (base, changed)),
    ]


def _accuracies(records: Sequence[Training], epoch: int) -> list[float]:
    """Test accuracies of all runs that came so far, after that epoch."""
    accuracies = [record.epochs[epoch - 1].test_accuracy for record in records if len(record.epochs) >= epoch > 0]
    return [accuracy for accuracy in accuracies if is_number(accuracy)]


def _stated(base: tuple[str, str], changed: tuple[str, str]) -> str:
    """The published accuracies of both, each a network and a recipe; nothing where the change was not published."""
    published_results = [published(*key) for key in (base, changed)]
    if not all(published_results):
        return NOTHING
    sides = [", ".join(f"{result.accuracy:g}" for result in results) for results in published_results]
    return f"{' / '.join(sides)} ({published_results[1][0].epochs} epochs)"
