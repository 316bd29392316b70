"""Level 6 over replicas, in float64: ten steps of several processes, each on its share of every batch, give what one
process makes of the whole batches.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from msgspec import structs

from parity.catalogue.recipes import Recipe, trainer_settings
from parity.data.batches import prepared
from parity.numerics.arrays import Arrays, pack
from parity.numerics.comparison import FLOAT64_LIMIT, Comparison, compare, layer_scales
from parity.numerics.tolerance import FLOAT64_ROUNDING, perturb
from parity.proofs.context import ProofContext
from parity.proofs.optimizer import LOSSES, boundary_rates, rule_recipe
from parity.proofs.proof import by_framework, make_proof, worst_of
from parity.proofs.replica_causes import (
    NOT_REDUCED,
    Explanation,
    gradient_cause,
    short_share_cause,
    statistics_cause,
)
from parity.proofs.step_rates import HIDDEN, RATE_FACTORS, compare_steps, has_numbers, lowered
from parity.proofs.train_mode import GRADIENT_LIMIT, STEPS, plan_of, start, training_batch, training_part, unmoved
from parity.records.replicas import ReplicaCause, ReplicaProof
from parity.weights.state import STATISTICS, State
from parity.workers.errors import WorkerError
from parity.workers.replica import LoneReplica
from parity.workers.replicated_worker import SHARED, ReplicasDifferError, ReplicatedWorkers
from parity.workers.worker import Worker


@dataclass(frozen=True)
class FirstStep:
    """The gradients of a plan's first row, and the running statistics after its forward pass."""

    gradients: Arrays
    statistics: Arrays


def replica_steps(context: ProofContext, replicated: ReplicatedWorkers, recipe: Recipe | None = None) -> ReplicaProof:
    """Level 6 over replicas. The losses of all steps, all weights and running statistics; gradients of the first step.

    Ten steps across a change of the learning rate, as level 6 takes them. Without batch norm, or with statistics over
    all replicas, they are held against one process's steps on the whole batches. With statistics of each replica's own
    share nothing that one process does in ten steps is the same. There, and everywhere else, the two frameworks'
    replicas are held against each other, and the first step's gradients and running statistics against the means of
    what one process makes of each share alone.

    Steps must agree to the fixed limit of float64. Where a network amplifies rounding beyond it, they are repeated from
    weights that are perturbed by rounding, and the limit is derived from the distances; where these are as large as
    faults are, the rates are lowered, as at level 6.

    Args:
        context: the network and its workers, of one process each.
        replicated: the replicas of the same frameworks.
        recipe: the training's; None: momentum and weight decay of the kernels.

    Returns:
        The proof, timed, titled with the number of replicas and the kind of statistics; its problems and causes say
        what is wrong with the gradients, where a known fault of replicas explains it.

    Raises:
        ValueError: a batch of the proofs cannot be shared by so many replicas.
        WorkerError: a worker failed, with what it said. Replicas that differ are a problem of the proof.
    """
    with contextlib.ExitStack() as lone:
        several = replace(context, workers=replicated)
        return _proof(_Pair(context, several, replicated, recipe or rule_recipe("momentum"), lone))


def _proof(pair: _Pair) -> ReplicaProof:
    begin = time.perf_counter()
    context, replicated = pair.one, pair.replicated
    normalised = context.network.batch_norm is not None
    comparisons: dict[str, Comparison] = {}
    problems: list[str] = []
    causes: list[ReplicaCause] = []
    for framework in context.workers:
        compared_here, problems_here, causes_here = _first_steps(pair, framework)
        comparisons |= compared_here
        problems += problems_here
        causes += [_cause(framework, explanation) for explanation in causes_here]
    for slow in RATE_FACTORS:
        ends, differing = _ends(pair, slow)
        if ends and slow != RATE_FACTORS[-1] and not any(map(has_numbers, ends.values())):
            continue
        steps, hidden = _compared_steps(pair, ends, slow)
        if not hidden or not all(comparison.passed for comparison in steps.values()):
            break  # a difference that rounding does not hide is not looked for again at other rates
    comparisons |= steps
    problems += differing.values()
    causes += [
        _cause(framework, NOT_REDUCED)
        for framework in differing
        if not any(framework == cause.framework for cause in causes)
    ]
    problems = [f"{cause.framework}: {cause.text}" for cause in causes] + problems
    for what, comparison in comparisons.items():
        problems += [f"{what}: {line}" for line in comparison.explain()]
    kernels = {name: a for name, a in context.state("float64").items() if name.endswith("/kernel")}
    for framework, end in ends.items():
        problems += [f"{framework}: {name!r} did not change in {STEPS} steps" for name in unmoved(kernels, end)]
    compared = {
        "replicas": replicated.replicas * len(ends),
        "comparisons": len(comparisons),
        "arrays": sum(len(comparison.gaps) for comparison in comparisons.values()),
        "elements": sum(comparison.elements for comparison in comparisons.values()),
        "steps": sum(end[LOSSES].size for end in ends.values()),
    }
    if hidden and not problems:
        compared = {}  # which says nothing about the network
    problems += hidden
    own = {
        framework: worst_of(mine)
        for framework in ends
        if (mine := [c for what, c in comparisons.items() if what.startswith(f"{framework},")])
    }
    worst = worst_of(comparisons.values()) if comparisons else None
    proof = make_proof(context, 6, compared, problems, worst, by_framework(own))
    return ReplicaProof(
        **structs.asdict(proof)
        | {
            "title": f"{proof.title}: {titled(replicated, normalised)}{lowered(slow)}",
            "seconds": time.perf_counter() - begin,
        },
        replicas=replicated.replicas,
        synchronised=replicated.synchronised,
        replica_causes=causes,
    )


def _cause(framework: str, explanation: Explanation) -> ReplicaCause:
    return ReplicaCause(framework, explanation.text, [fault.value for fault in explanation.faults])


def prove_replicas(context: ProofContext, replicated: ReplicatedWorkers) -> ReplicaProof:
    """As `replica_steps`; a WorkerError becomes a failed proof.

    Args:
        context: the network and its workers, of one process each.
        replicated: the replicas of the same frameworks.

    Raises:
        ValueError: a batch of the proofs cannot be shared by so many replicas.
    """
    try:
        return replica_steps(context, replicated)
    except WorkerError as error:
        failed = make_proof(context, 6, {}, [str(error)])
        title = f"{failed.title}: {titled(replicated, context.network.batch_norm is not None)}"
        return ReplicaProof(
            **structs.asdict(failed) | {"title": title},
            replicas=replicated.replicas,
            synchronised=replicated.synchronised,
        )


def titled(replicated: ReplicatedWorkers, normalised: bool) -> str:
    """The replicas of a proof, in words.

    Args:
        replicated: how many there are, and what batch norm's statistics are of.
        normalised: whether the network has batch norm.
    """
    kind = "statistics over all replicas" if replicated.synchronised else "statistics of each replica"
    return f"{replicated.replicas} replicas, {kind}" if normalised else f"{replicated.replicas} replicas"


@dataclass(frozen=True)
class _Pair:
    """One process of each framework, and the replicas that must compute the same."""

    one: ProofContext
    several: ProofContext
    replicated: ReplicatedWorkers
    recipe: Recipe
    running: contextlib.ExitStack  # ends what `lone` started
    _lone: dict[str, LoneReplica] = field(default_factory=dict)

    def lone(self, framework: str) -> LoneReplica:
        """The process that computes single shares of a network with dropout."""
        if framework not in self._lone:
            replica = LoneReplica(framework, threads=self.one.workers[framework].threads)
            self._lone[framework] = self.running.enter_context(contextlib.closing(replica))
        return self._lone[framework]

    @property
    def as_one(self) -> bool:
        """Whether replicas compute what one process does: unless batch norm normalises each share alone."""
        return self.replicated.synchronised or self.one.network.batch_norm is None


@dataclass
class _Moved:
    """Ends of the same steps from weights that are perturbed by float64 rounding, by the number of the run.

    Deep networks with batch norm amplify rounding beyond the fixed limit within ten steps; these show by how much.
    """

    pair: _Pair
    slow: float
    _replicas: dict[tuple[str, int], Arrays] = field(default_factory=dict)

    def of_one_and_replicas(self, framework: str, run: int) -> dict[str, Arrays]:
        """One process's and the replicas', of one framework."""
        alone = _end(self.pair.one, framework, self.pair.recipe, self.slow, self._state(run))
        return {"one process": alone, "replicas": self._end_of_replicas(framework, run)}

    def of_replicas(self, run: int) -> dict[str, Arrays]:
        """The replicas', by framework."""
        return {framework: self._end_of_replicas(framework, run) for framework in self.pair.one.workers}

    def _end_of_replicas(self, framework: str, run: int) -> Arrays:
        if (framework, run) not in self._replicas:
            end = _end(self.pair.several, framework, self.pair.recipe, self.slow, self._state(run))
            self._replicas[framework, run] = end
        return self._replicas[framework, run]

    def _state(self, run: int) -> State:
        draw = np.random.default_rng([self.pair.one.seed, run])
        return perturb(self.pair.one.state("float64"), draw, FLOAT64_ROUNDING)


def _first_steps(pair: _Pair, framework: str) -> tuple[dict[str, Comparison], list[str], list[Explanation]]:
    """Gradients and running statistics of the first step; problems, and what is known to make others of them."""
    count = pair.replicated.replicas
    shares = _shares(pair, framework, 1 if pair.as_one else count)
    plan = start(pair.several, pair.recipe, only=framework)
    try:
        step = _taken(pair.replicated[framework], pair.one.network.name, plan)
    except ReplicasDifferError as error:
        return {}, [str(error)], [NOT_REDUCED]
    expected = _mean([share.gradients for share in shares])
    gaps = compare(expected, step.gradients, GRADIENT_LIMIT, scales=layer_scales(expected))
    comparisons, causes = {f"{framework}, gradients": gaps}, []
    if not gaps.passed:
        causes.append(_gradient_cause(pair, framework, expected, step.gradients))
    statistics = [share.statistics for share in shares]
    if pair.one.network.batch_norm is not None:
        gaps = compare(_mean(statistics), step.statistics, FLOAT64_LIMIT)
        comparisons[f"{framework}, running statistics"] = gaps
        if not gaps.passed and len(statistics) > 1:
            causes.append(statistics_cause(statistics, step.statistics))
    return comparisons, [], [cause for cause in causes if cause is not None]


def _ends(pair: _Pair, slow: float) -> tuple[dict[str, Arrays], dict[str, str]]:
    """By framework the replicas' ends, or where they differ from one another what they say of it."""
    ends, problems = {}, {}
    for framework in pair.one.workers:
        try:
            ends[framework] = _end(pair.several, framework, pair.recipe, slow)
        except ReplicasDifferError as error:
            problems[framework] = str(error)
    return ends, problems


def _compared_steps(pair: _Pair, ends: dict[str, Arrays], slow: float) -> tuple[dict[str, Comparison], list[str]]:
    """What the steps' ends are held against, by what is compared; and a line for each that rounding hides."""
    moved = _Moved(pair, slow)
    comparisons: dict[str, Comparison] = {}
    hidden: list[str] = []

    def keep(what: str, sides: dict[str, Arrays], perturbed_run: Callable[[int], dict[str, Arrays]]) -> None:
        comparison, nothing_shown = compare_steps(sides, FLOAT64_LIMIT, perturbed_run, slow)
        if nothing_shown:
            hidden.append(f"{what}: {HIDDEN}")
        else:
            comparisons[what] = comparison

    if pair.as_one:
        for framework, end in ends.items():
            sides = {"one process": _end(pair.one, framework, pair.recipe, slow), "replicas": end}
            keep(f"{framework}, steps", sides, partial(moved.of_one_and_replicas, framework))
    if len(ends) > 1:
        keep("both frameworks, steps", ends, moved.of_replicas)
    return comparisons, hidden


def _end(context: ProofContext, framework: str, recipe: Recipe, slow: float, state: State | None = None) -> Arrays:
    """Weights and running statistics after the steps from a state, or from the proofs'; the losses of all steps."""
    plan = start(context, recipe, None if state is None else {framework: state}, only=framework)
    plan["rate"] = boundary_rates(recipe.schedule) * np.float32(slow)
    worker, name = context.workers[framework], context.network.name
    losses = worker.train_epoch(name, plan, losses=True).losses
    return worker.export_training(name).state | {LOSSES: losses}


def _taken(worker: Worker, name: str, plan: Arrays) -> FirstStep:
    gradients = worker.gradients(name, plan).gradients
    state = worker.export_training(name, weights=False).state
    return FirstStep(gradients, {key: array for key, array in state.items() if key.endswith(STATISTICS)})


def _gradient_cause(pair: _Pair, framework: str, expected: Arrays, actual: Arrays) -> Explanation | None:
    """What is wrong with the gradients; None where no known fault explains them."""
    count = pair.replicated.replicas
    if pair.replicated.synchronised and pair.one.network.batch_norm is not None:  # no share's gradients are its own
        return gradient_cause([], expected, actual, count)
    shares = [share.gradients for share in _shares(pair, framework, count)]
    cause = gradient_cause(shares, expected, actual, count)
    for missing in range(1, training_batch(pair.one) // count):
        if cause is None:
            short = _shares(pair, framework, count, missing)[-1].gradients
            cause = short_share_cause([*shares[:-1], short], actual, missing)
    return cause


def _shares(pair: _Pair, framework: str, count: int, missing: int = 0) -> list[FirstStep]:
    """What one process makes of each share of the first batch alone; of one share: of the whole batch.

    With images missing: of the last share alone, without its last images.
    """
    context, recipe = pair.one, pair.recipe
    name, batch = context.network.name, training_batch(context)
    if batch % count:
        raise ValueError(f"replicas: expected a divisor of the proofs' batch of {batch} images, found {count}")
    share = batch // count - missing
    settings = trainer_settings(recipe, batch=share, precision="float64")
    arrays = pack(state=context.state("float32"), data=prepared(training_part(context), recipe))
    plan = plan_of(context, recipe, 0)
    with_masks = count > 1 and plan["dropout"].size > 0
    worker = pair.lone(framework) if with_masks else context.workers[framework]
    taken = []
    for rank in range(count - 1 if missing else 0, count):
        columns = slice(rank * (batch // count), rank * (batch // count) + share)
        part = {key: array[:, columns] if key in SHARED else array for key, array in plan.items()}
        if isinstance(worker, LoneReplica):
            worker.take_part(rank, count, batch // count)
        worker.start_training(name, context.seed, arrays, settings)
        taken.append(_taken(worker, name, part))
    return taken


def _mean(parts: list[Arrays]) -> Arrays:
    return {name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]}
