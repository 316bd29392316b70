"""What `parity compare` says of two targets, in words that a test or a table can use; the workers stay for the next."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from parity.catalogue.targets import TargetError
from parity.migration.align.pair_alignment import align
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.prove.inputs import InputSet, designed_inputs
from parity.migration.specs import DTYPES, FIRST, MatchError, input_specs, model_specs
from parity.workers.pool import Workers

SEED = 0  # of weights and inputs


@dataclass(frozen=True)
class Outcome:
    """What came of one comparison.

    Attributes:
        verdict: "equal", "different", "undecided"; "refused" with a message for the user; "crashed".
        layers: that causes name, in their order.
        causes: a line each; of a refusal or crash its message.
        training: differences that only training shows, a line each.
        seconds: of wall-clock time.
    """

    verdict: str
    layers: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    training: tuple[str, ...] = ()
    seconds: float = 0.0


def compare_words(workers: Workers, words: Sequence[str]) -> Outcome:
    """Compare a pair as the command would.

    Args:
        workers: that may have compared other pairs before.
        words: what stands behind `parity compare`: two targets and options.

    Returns:
        The outcome; errors are one, too.
    """
    start = time.perf_counter()
    try:
        outcome = _compare(workers, words)
    except (TargetError, MatchError, ValueError) as error:
        outcome = Outcome("refused", causes=(_first_line(error),))
    except Exception as error:  # a row of a table, and no end of the table
        outcome = Outcome("crashed", causes=(f"{type(error).__name__}: {_first_line(error)}",))
    return replace(outcome, seconds=time.perf_counter() - start)


def _compare(workers: Workers, words: Sequence[str]) -> Outcome:
    """Raises what the comparison raises."""
    options = _parser().parse_args(list(words))
    inputs = input_specs(options.input, options.tokens)
    pair = RecordedPair(
        workers, model_specs(options.tensorflow, options.paddle, inputs, dtype=options.dtype), seed=SEED
    )
    try:
        migration = compare_pair(pair, apply_fixes=options.apply_fixes, training=options.training, impact=False)
    finally:
        pair.forget()
    if migration.verdict == "undecided":
        return Outcome("undecided", causes=tuple(line for proof in migration.proofs for line in proof.problems))
    layers = tuple(dict.fromkeys(cause.stage for cause in migration.causes))
    causes = tuple(dict.fromkeys(f"{cause.trap or 'no known trap'}: {cause.text}" for cause in migration.causes))
    return Outcome(migration.verdict, layers, causes, tuple(migration.training))


def put_together(pair: RecordedPair) -> list[InputSet]:
    """Open both models and align them on the first set of inputs; all sets that are designed for them."""
    sets = designed_inputs(pair.specs[FIRST].inputs, SEED)
    pair.open()
    align(pair, sets[0].arrays)
    return sets


def _parser() -> argparse.ArgumentParser:
    """The options of `parity compare` that pairs of models in tables need."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("tensorflow")
    parser.add_argument("paddle")
    parser.add_argument("--input", action="append", required=True)
    parser.add_argument("--tokens", type=int)
    parser.add_argument("--dtype", default="float64", choices=DTYPES)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--apply-fixes", action="store_true")
    return parser


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "without a message")
