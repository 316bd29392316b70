"""From a network to its proofs, level by level."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

from msgspec import structs

from parity.catalogue.recipes import recipe_of
from parity.diagnosis.search import diagnose
from parity.proofs.context import ProofContext
from parity.proofs.evaluation import evaluation
from parity.proofs.float32_training_step import float32_step
from parity.proofs.forward import certificate, float32_forward, float64_forward
from parity.proofs.optimizer import optimizer_steps, rule_recipe, steps_titled
from parity.proofs.proof import make_proof
from parity.proofs.train_mode import gradients, train_mode_forward
from parity.records.levels import LEVELS
from parity.records.records import Proof, RuleProof
from parity.system import return_freed
from parity.workers.errors import WorkerError

CHECKS: dict[int, Callable[[ProofContext], Proof]] = {
    1: certificate,
    2: float64_forward,
    3: float32_forward,
    4: train_mode_forward,
    5: gradients,
    6: optimizer_steps,
    7: evaluation,
    8: float32_step,
}

LAST_OF_STAGES = 3  # the last level that uses the stages of level 2


def prove(
    context: ProofContext,
    levels: Iterable[int] = LEVELS,
    during: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Proof]:
    """The proofs of one network, level by level; a failure does not end them.

    Args:
        context: the network, its workers and its data.
        levels: numbers of `parity.records.levels.LEVELS`.
        during: makes of a level the context manager in which it is proven, such as a spinner.

    Yields:
        One proof for each level, as soon as it is there; where it failed, with its causes.
    """
    for level in levels:
        with during(level):
            proof = prove_level(context, level)
        yield proof


def prove_level(context: ProofContext, level: int) -> Proof:
    """One proof, timed, with its causes where it failed; a WorkerError becomes a failed proof.

    Args:
        context: the network, its workers and its data; all levels of a network share it.
        level: number of `parity.records.levels.LEVELS`.

    Returns:
        The proof, with `seconds` of proof and diagnosis together.
    """
    start = time.perf_counter()
    if level > LAST_OF_STAGES:
        context.float64_stages = {}  # gigabytes for deep networks
    return_freed()
    try:
        proof = CHECKS[level](context)
    except WorkerError as error:
        proof = make_proof(context, level, {}, [str(error)])
        if level == 6:
            proof = steps_titled(proof, recipe_of(context.network.recipe))
    else:
        proof = _with_causes(context, proof) if proof.compared and not proof.passed else proof
    return structs.replace(proof, seconds=time.perf_counter() - start)


def prove_rule(context: ProofContext, kind: str) -> RuleProof:
    """The proof of one update rule on the context's network, timed.

    Args:
        context: the network, its workers and its data.
        kind: one of `parity.proofs.optimizer.OPTIMIZERS`.

    Returns:
        The proof, without causes; a WorkerError becomes a failed one.
    """
    start = time.perf_counter()
    recipe, level = rule_recipe(kind), next(level for level, check in CHECKS.items() if check is optimizer_steps)
    try:
        proof = optimizer_steps(context, recipe)
    except WorkerError as error:
        proof = steps_titled(make_proof(context, level, {}, [str(error)]), recipe)
    return RuleProof(**structs.asdict(proof) | {"seconds": time.perf_counter() - start}, rule=kind)


def _with_causes(context: ProofContext, failed: Proof) -> Proof:
    """The failed proof with its causes. If a worker fails in the diagnosis, the proof keeps what it has."""
    try:
        causes = diagnose(context, failed.level)
    except WorkerError as error:
        return structs.replace(failed, problems=[*failed.problems, f"no diagnosis: {error}"])
    return structs.replace(failed, causes=causes)
