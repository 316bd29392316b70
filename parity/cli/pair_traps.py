"""`parity traps --pair`: what a comparison of a user's own pair would have found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from parity.cli.migrate import recorded_pair
from parity.cli.options import DIFFERENT, UNUSABLE, Device, await_ready, begin_workers, command_line, try_to_save

if TYPE_CHECKING:
    from rich.console import Console

    from parity.faults.pair_detection import PairDetection
    from parity.migration.align.recorded_pair import RecordedPair
    from parity.records.records import ControlRun, Detection


@dataclass(frozen=True)
class PairTraps:
    """What the user asks of a pair.

    Attributes:
        targets: of the TensorFlow and the Paddle model.
        inputs: every `--input`.
        tokens: `--tokens`.
        classes: `--classes`.
        mapping: `--map`.
        training: whether traps that show in training mode only are among them.
        sites: of one form of a trap at most as many; 0 for all.
        traps: ids, only these; all if empty.
        seeds: of control runs.
        faults: whether traps are put in at all.
    """

    targets: tuple[str, str]
    inputs: list[str]
    tokens: int | None
    classes: int | None
    mapping: Path | None
    training: bool
    sites: int
    traps: list[str]
    seeds: int
    faults: bool


def show_pair_traps(
    asked: PairTraps, *, as_json: bool, save: Path | None, dataset: str | None, seed: int, threads: int | None
) -> None:
    """Put the traps in, and show, print and save what became of them.

    Args:
        asked: for.
        as_json: whether to print one JSON object instead.
        save: a file for the records.
        dataset: for models of images.
        seed: of weights and inputs.
        threads: CPU threads of each framework.

    Raises:
        ValueError: an unknown trap, or inputs of a form that has no meaning.
        TargetError: a model cannot be built or run, or the pair is not equal.
        typer.Exit: with `DIFFERENT` where a trap was missed or a correct pair accused, `UNUSABLE` where none was put in
            or the records could not be saved.
    """
    from parity.migration.specs import input_specs, model_specs
    from parity.system import require_writable
    from parity.workers.frameworks import FRAMEWORKS
    from parity.workers.interpreter import shared_threads

    _require_known(asked.traps)
    if save is not None:
        require_writable(save)
    specs = model_specs(*asked.targets, input_specs(asked.inputs, asked.tokens), classes=asked.classes)
    with begin_workers(tuple(FRAMEWORKS), threads or shared_threads()) as workers:
        from parity.cli import console, proof_output
        from parity.workers.environment import collect

        out = console.stderr() if as_json else console.stdout()
        pair = recorded_pair(workers, specs, asked.mapping, dataset, seed)
        await_ready(workers, Device.cpu)
        environment = collect(workers, dataset=pair.dataset, profile="traps", seed=seed, command=command_line())
        results, control_runs = _run(asked, pair, out, seed)
        detections = [result.detection for result in results if result.detection is not None]
        unsaved = save is not None and not try_to_save(save, [*detections, *control_runs], environment)
    without = [_without_effect(result) for result in results if result.detection is None]
    if as_json:
        console.print_json(
            {
                "detections": [record.as_dict() for record in detections],
                "correct": [record.as_dict() for record in control_runs],
                "without effect": without,
                "environment": environment,
            }
        )
    for line in [*_by_reason(results), *proof_output.detection_lines(detections, control_runs)]:
        console.print_message(out, line)
    _print_verdict(out, pair.name, detections, control_runs)
    if unsaved or (asked.faults and not detections):
        raise typer.Exit(UNUSABLE)
    if not all(one.as_expected for one in detections) or any(record.false_alarms for record in control_runs):
        raise typer.Exit(DIFFERENT)


def _run(asked: PairTraps, pair: RecordedPair, out: Console, seed: int) -> tuple[list[PairDetection], list[ControlRun]]:
    from parity.cli import console, proof_output
    from parity.faults.pair_detection import control_pair, detect_pair_fault, equal_pair
    from parity.faults.pair_sites import pair_faults

    results: list[PairDetection] = []
    out.print(f"{pair.name} on {pair.title}", soft_wrap=True, markup=False)
    with console.busy(console.stderr(), "the pair as it is"):
        equal = equal_pair(pair, training=asked.training)
    faults = pair_faults(pair, equal.walked, traps=asked.traps, sites=asked.sites, training=asked.training)
    for number, fault in enumerate(faults if asked.faults else (), 1):
        what = f"{number} of {len(faults)}: {fault.change.trap}, {fault.change.what}, in {fault.step}"
        with console.busy(console.stderr(), what):
            results.append(detect_pair_fault(equal, fault))
        if (detection := results[-1].detection) is not None:
            proof_output.print_detection(out, detection)
    if asked.faults and not results:
        listed = ", ".join(asked.traps or ["any trap"])
        console.print_message(out, f"no fault of {listed} can be put into {pair.specs['paddle'].target}", "bold red")
    if not asked.seeds:
        return results, []
    with console.busy(console.stderr(), f"{asked.seeds} control runs"):
        return results, [control_pair(pair, range(seed, seed + asked.seeds), training=asked.training)]


def _print_verdict(out: Console, name: str, detections: list[Detection], control_runs: list[ControlRun]) -> None:
    """Print one line: whether `parity compare` finds every trap of the pair."""
    missed = sum(not one.as_expected for one in detections)
    alarms = sum(len(run.false_alarms) for run in control_runs)
    if not detections and not alarms:
        return
    words = [f"{missed} of {len(detections)} traps not as they should be"] if missed else []
    words += [f"{alarms} false alarms in control runs"] if alarms else []
    verdict = ", ".join(words) or f"every one of {len(detections)} traps caught, located and named"
    out.print(f"{name}: {verdict}", style="bold red" if words else "bold green", soft_wrap=True, markup=False)


def _without_effect(result: PairDetection) -> dict[str, str]:
    change = result.fault.change
    return {"trap": change.trap, "change": change.what, "stage": result.fault.step, "reason": result.reason}


def _by_reason(results: list[PairDetection]) -> list[str]:
    """Traps that were not put in, one line for each form."""
    forms = Counter(
        (one.fault.change.trap, one.fault.change.what, one.reason) for one in results if one.detection is None
    )
    return [f"not put in: {trap}, {what}, at {count} places: {reason}" for (trap, what, reason), count in forms.items()]


def _require_known(ids: list[str]) -> None:
    """Raise ValueError for a trap that no catalogue has."""
    from parity.catalogue.pair_traps import PAIR_TRAPS

    if unknown := sorted(set(ids) - PAIR_TRAPS.keys()):
        raise ValueError(f"--trap: expected some of {', '.join(sorted(PAIR_TRAPS))}, found {', '.join(unknown)}")
