"""What the terminal shows of proofs and of faults that were put in: a line each, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from parity.cli.console import escaped, print_message
from parity.workers.frameworks import FRAMEWORKS

if TYPE_CHECKING:
    from parity.records.records import ControlRun, Detection, Proof
    from parity.records.replicas import ReplicaDetection


def print_proof(console: Console, proof: Proof) -> None:
    """Print one line: level, outcome, the largest gap with its limit and stage, counts; then each problem and cause."""
    from parity.diagnosis.attribution import cause_lines

    gap = "bit for bit" if proof.level == 1 and proof.passed else "nothing measured"
    if proof.gap is not None and proof.limit is not None:
        sign = "<" if proof.gap <= proof.limit else ">" if proof.gap > proof.limit else "against"  # NaN is neither
        gap = f"gap {proof.gap:.1e} {sign} {proof.limit:.1e} at {proof.worst}"
    counts = {what: number for what, number in proof.compared.items() if not what.startswith("elements")}
    compared = ", ".join(f"{number:,} {what}" for what, number in counts.items()) or "nothing compared"
    line = Text(f" {proof.level} {proof.title:<24}  ")
    line.append(outcome(proof), "green" if proof.passed else "bold red")
    line.append(escaped(f"  {gap}  "))
    line.append(compared, "dim")
    console.print(line, soft_wrap=True)
    for problem in proof.problems:
        print_message(console, problem, indent=3)
    for cause in cause_lines(proof):
        print_message(console, cause, "yellow", indent=3)


def outcome(proof: Proof) -> str:
    """The outcome of a proof in one or two words; "no answer" where nothing was compared."""
    return "equal" if proof.passed else "different" if proof.compared else "no answer"


def print_verdict(console: Console, name: str, proofs: Sequence[Proof]) -> None:
    """Print one line for a network: equal, or the level and stage at which it first differs."""
    from parity.records.replicas import ReplicaProof

    failed = next((proof for proof in proofs if not proof.passed), None)
    seconds = sum(proof.seconds for proof in proofs)
    numbers = sum(proof.compared.get("elements", 0) for proof in proofs)
    if failed is None and proofs:
        replicas = {proof.replicas for proof in proofs if isinstance(proof, ReplicaProof)}
        shared = f" and with {replicas.pop()} replicas" if replicas else ""
        levels = len({proof.level for proof in proofs})
        words = ("EQUAL", f"on all {levels} levels{shared}, {numbers:,} numbers compared", "bold green")
    elif failed is None or not failed.compared:
        words = ("NOT PROVEN", "a framework did not answer; see above", "bold yellow")
    else:
        stage = f", first at {failed.first_failure}" if failed.first_failure else ""
        words = ("DIFFERENT", f"from level {failed.level} on ({failed.title}{stage})", "bold red")
    console.print(Text.assemble(f"{name}: ", (words[0], words[2]), f" {words[1]}, {seconds:.1f} s"), soft_wrap=True)


def print_detection(console: Console, detection: Detection) -> None:
    """Print one line: fault, framework, stage, the level that detected it, whether it was located and named.

    Further lines follow where something went wrong.
    """
    level = f"level {detection.level}" if detection.level else "NOT SEEN"
    words = [
        word if right else f"NOT {word}" for word, right in (("located", detection.located), ("named", detection.named))
    ]
    line = Text(
        f"{detection.trap:<20}{detection.change:<31}{FRAMEWORKS[detection.framework].title:<13}{detection.stage:<24}"
    )
    line.append(", ".join([level, *words]), "green" if detection.as_expected else "bold red")
    console.print(line, soft_wrap=True)
    if not detection.as_expected:
        print_message(console, detection.diagnosis or "no diagnosis", indent=3)
        for stage in detection.false_alarms:
            print_message(console, f"false alarm: {stage}", "bold red", indent=3)


def print_replica_detection(console: Console, detection: ReplicaDetection) -> None:
    """Print one line: fault, framework, whether it was caught, placed and named; the diagnosis where it was not."""
    rights = {"caught": detection.caught, "placed": detection.placed, "named": detection.named}
    line = Text(f"{detection.fault:<31}{FRAMEWORKS[detection.framework].title:<13}")
    line.append(
        ", ".join(word if right else f"NOT {word}" for word, right in rights.items()),
        "green" if detection.as_expected else "bold red",
    )
    console.print(line, soft_wrap=True)
    if not detection.as_expected:
        print_message(console, detection.diagnosis or "no diagnosis", indent=3)


def replica_detection_lines(detections: Sequence[ReplicaDetection]) -> list[str]:
    """How many faults of replicas were caught, placed and named, for the terminal; nothing where none was put in."""
    hits = {
        "caught": sum(record.caught for record in detections),
        "placed": sum(record.placed for record in detections),
        "named": sum(record.named for record in detections),
    }
    return [f"{what}: {count} of {len(detections)}" for what, count in hits.items()] if detections else []


def detection_lines(detections: Sequence[Detection], control_runs: Sequence[ControlRun]) -> list[str]:
    """Detection rates, the margin between faults and control runs, and false alarms.

    Args:
        detections: of all faults that were put in.
        control_runs: of all networks that were checked without a fault.

    Returns:
        Lines for the terminal.
    """
    from parity.records.detection_rates import margin, rates_of

    lines: list[str] = []
    if detections:
        rates = rates_of(detections)
        lines += [
            f"{what}: {hits} of {rates.injected} ({hits / rates.injected:.1%})"
            for what, hits in (("caught", rates.caught), ("located", rates.located), ("named", rates.named))
        ]
    if (orders := margin(detections, control_runs)) is not None:
        lines.append(
            f"the smallest gap of a fault is {orders:.1f} orders of magnitude above the largest gap of a control run"
        )
    false_alarms = [f"{run.network}: false alarm: {line}" for run in control_runs for line in run.false_alarms]
    if control_runs:
        lines.append(f"control runs: {sum(len(run.seeds) for run in control_runs)}, false alarms: {len(false_alarms)}")
    return lines + false_alarms
