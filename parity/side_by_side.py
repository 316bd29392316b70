"""Train one network in one framework after the other on the same batches, saving as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parity.data import Dataset
from parity.networks import network
from parity.recipes import RECIPES
from parity.results import Training
from parity.saving import Output
from parity.training import Outcome, Progress, train
from parity.workers import Workers


@dataclass(frozen=True)
class Plan:
    """What is to be trained. Raises ValueError where the network cannot be trained on these images."""

    network: str
    frameworks: tuple[str, ...]  # in the order in which they train
    images: Dataset
    seed: int = 0
    epochs: int | None = None  # None: the recipe's
    batch_asked: int | None = None

    def __post_init__(self) -> None:
        entry, images = network(self.network), self.images
        shape, classes = images.train_images.shape[1:], len(images.classes)
        if (shape, classes) != (entry.image, entry.classes):
            raise ValueError(
                f"{entry.name} expects images {entry.image} of {entry.classes} classes; {images.title} holds {shape} "
                f"of {classes}. `parity check {entry.name}` proves the network without training it."
            )
        if self.batch > (count := len(images.train_images)):
            whose = "of its recipe" if self.batch_asked is None else "asked for"
            raise ValueError(
                f"{entry.name}: the batch of {self.batch} images {whose} is larger than the {count} training images "
                f"of {images.title!r}, so there would be no step. Use --batch {count} or less, or a larger --limit."
            )

    @property
    def batch(self) -> int:
        """Images a step."""
        return self.batch_asked or RECIPES[network(self.network).recipe].batch


@dataclass
class Result:
    """What a run of a plan came to."""

    plan: Plan
    outcomes: list[Outcome] = field(default_factory=list)
    interrupted: bool = False
    save_error: str = ""

    @property
    def records(self) -> list[Training]:
        """The record of every framework that has begun."""
        return [outcome.record for outcome in self.outcomes]

    @property
    def partial(self) -> bool:
        """Whether any framework did not come to its end."""
        return len(self.outcomes) < len(self.plan.frameworks) or any(each.weights is None for each in self.outcomes)

    @property
    def unlike(self) -> bool:
        """Whether the frameworks trained on other batches or from other weights; what is unknown is not unlike."""
        digests = [(record.batches_digest, record.initial_digest) for record in self.records]
        return any(len({*known} - {""}) > 1 for known in zip(*digests, strict=True))


def run(
    workers: Workers,
    plan: Plan,
    output: Output | None,
    environment: Mapping[str, Any],
    on_progress: Callable[[Progress], None],
) -> Result:
    """Train in each framework with the machine to itself; stop at an interruption, go on after a worker that failed."""
    result = Result(plan)
    try:
        for framework in plan.frameworks:
            outcome = train(
                workers[framework],
                plan.network,
                plan.images,
                epochs=plan.epochs,
                batch=plan.batch,
                seed=plan.seed,
                on_progress=on_progress,
            )
            result.outcomes.append(outcome)
            workers[framework].stop()  # its memory and threads belong to the next one now
            _save(result, output, environment)
            if outcome.interrupted:
                result.interrupted = True
                break
    except KeyboardInterrupt:  # between two trainings, or while saving
        result.interrupted = True
        if result.outcomes:
            _save(result, output, environment)
    return result


def _save(result: Result, output: Output | None, environment: Mapping[str, Any]) -> None:
    """A full disk must not cost the comparison of what was trained: the error is kept for the end."""
    if output is None:
        return
    try:
        output.save(result.outcomes, environment)
        result.save_error = ""
    except OSError as error:
        result.save_error = f"the results could not be saved in {output.folder}: {error}"


def require_one_precision(environment: Mapping[str, Any]) -> None:
    """Raises ValueError when one framework computes in less than float32: such times do not compare."""
    facts = environment["frameworks"]
    verdicts = {name: found["precision"]["verdict"] for name, found in facts.items() if "precision" in found}
    if len(set(verdicts.values())) > 1:
        listed = ", ".join(f"{name}: {verdict}" for name, verdict in verdicts.items())
        raise ValueError(
            f"the frameworks compute in unlike precisions ({listed}), which must not be compared. "
            "Switch TF32 and bfloat16 off, or use --device cpu; see `parity doctor`."
        )
