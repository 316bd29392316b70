"""What the commands print: tables, one line per proof, verdicts. No results are computed here."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from parity.printable import printable
from parity.workers.frameworks import FRAMEWORKS

if TYPE_CHECKING:  # each command has imported what it prints; the others need not wait for it
    from parity.catalogue.designs import Network
    from parity.cli.doctor import Finding
    from parity.migration.convert import Conversion
    from parity.records.records import (
        ControlRun,
        CrossEvaluation,
        Detection,
        Equivalence,
        Migration,
        Proof,
        Training,
    )

STYLES = {"ok": "green", "warning": "yellow", "problem": "bold red"}

MIB = 1 << 20


class SafeConsole(Console):
    """Escapes control characters: names from files and models may hold some that move the cursor, or do worse."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape a plain text that is printed directly or in a table."""
        return super().render_str(printable(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Escape styled texts, too; rich's own control sequences stay."""
        if isinstance(renderable, Text) and (shown := printable(renderable.plain)) != renderable.plain:
            wrap = {name: getattr(renderable, name) for name in ("justify", "overflow", "no_wrap", "end")}
            renderable = Text(shown, renderable.style, **wrap)  # without the styles of its parts
        return super().render(renderable, options)


def stdout() -> Console:
    """A console for results. Piped output is never wrapped: a row stays a line."""
    return _console(sys.stdout.isatty(), stderr=False)


def stderr() -> Console:
    """A console for notes, progress and errors."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(terminal: bool, *, stderr: bool) -> Console:
    # without markup: an install hint like tensorflow[and-cuda] holds brackets
    return SafeConsole(stderr=stderr, highlight=False, markup=False, emoji=False, width=None if terminal else 1000)


def _text(text: str, style: str = "") -> Text:
    """A text with escaped control characters: rich's Text drops some of them before `SafeConsole` gets them."""
    return Text(printable(text), style)


def print_message(console: Console, text: str, style: str = "", indent: int = 0) -> None:
    """Print a message: wrapped between words on a terminal, as long lines elsewhere.

    Args:
        console: `stdout()` or `stderr()`.
        text: of one or more lines; control characters in it are escaped.
        style: of rich, such as "red".
        indent: spaces before each line.
    """
    if console.is_terminal:
        console.print(Padding(_text(text, style), (0, 0, 0, indent)))
    else:
        margin = " " * indent
        console.print(margin + text.replace("\n", f"\n{margin}"), soft_wrap=True)


def busy(console: Console, what: str) -> contextlib.AbstractContextManager[Any]:
    """A context manager that shows a spinner with a text on a terminal; elsewhere it shows nothing."""
    return console.status(_text(what)) if console.is_terminal else contextlib.nullcontext()


def print_json(value: Any) -> None:
    """Print one JSON object on standard output; numbers that JSON does not have (NaN, infinity) become null.

    Example:
        >>> print_json({"gap": float("nan")})
        {
          "gap": null
        }
    """
    print(json.dumps(_json_value(value), indent=2, allow_nan=False))


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(console: Console, table: Table) -> None:
    """Print a table; without trailing spaces where the output is no terminal."""
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()), file=console.file)


def networks_table(networks: Sequence[Network]) -> Table:
    """The catalogue as a table: one row for each network."""
    table = _table("network", "params", "trainable", "MFLOP", "published", "source", right=(1, 2, 3, 4))
    for entry in networks:
        table.add_row(
            entry.name,
            f"{entry.params:,}",
            f"{entry.trainable:,}",
            f"{entry.flops / 1e6:,.1f}",
            ", ".join(f"{published.accuracy:.2f} %" for published in entry.published) or "-",
            entry.source,
        )
    return table


def network_facts(entry: Network) -> dict[str, Any]:
    """One network for --json: FLOPs of one image's forward, accuracy in percent."""
    return {
        "name": entry.name,
        "source": entry.source,
        "params": entry.params,
        "trainable": entry.trainable,
        "flops": entry.flops,
        "recipe": entry.recipe,
        "checked_by_default": entry.in_profile,
        "published": [
            {"source": published.source, "accuracy": published.accuracy, "epochs": published.epochs}
            for published in entry.published
        ],
    }


def print_proof(console: Console, proof: Proof) -> None:
    """Print one line: level, outcome, the largest gap with its limit and stage, counts; then each problem and cause."""
    from parity.diagnosis.attribution import cause_lines

    gap = "bit for bit" if proof.level == 1 and proof.passed else "nothing measured"
    if proof.gap is not None and proof.limit is not None:
        sign = "<" if proof.gap <= proof.limit else ">" if proof.gap > proof.limit else "against"  # NaN is neither
        gap = f"gap {proof.gap:.1e} {sign} {proof.limit:.1e} at {proof.worst}"
    counts = {what: number for what, number in proof.compared.items() if not what.startswith("elements")}
    compared = ", ".join(f"{number:,} {what}" for what, number in counts.items()) or "nothing compared"
    line = Text(f" {proof.level} {proof.title:<26}")
    line.append(outcome(proof), "green" if proof.passed else "bold red")
    line.append(_text(f"  {gap}  "))
    line.append(compared, "dim")
    console.print(line, soft_wrap=True)
    for problem in proof.problems:
        print_message(console, problem, indent=3)
    for cause in cause_lines(proof):
        print_message(console, cause, "yellow", indent=3)


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


def detection_lines(detections: Sequence[Detection], control_runs: Sequence[ControlRun]) -> list[str]:
    """Detection rates, the margin between faults and control runs, and false alarms.

    Args:
        detections: of all faults that were put in.
        control_runs: of all networks that were checked without a fault.

    Returns:
        Lines for the terminal.
    """
    from parity.records.detection_rates import margin, rates_of

    lines = []
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


def outcome(proof: Proof) -> str:
    """The outcome of a proof in one or two words; "no answer" where nothing was compared."""
    return "equal" if proof.passed else "different" if proof.compared else "no answer"


def print_verdict(console: Console, name: str, proofs: Sequence[Proof]) -> None:
    """Print one line for a network: equal, or the level and stage at which it first differs."""
    failed = next((proof for proof in proofs if not proof.passed), None)
    seconds = sum(proof.seconds for proof in proofs)
    numbers = sum(proof.compared.get("elements", 0) for proof in proofs)
    if failed is None and proofs:
        words = ("EQUAL", f"on all {len(proofs)} levels, {numbers:,} numbers compared", "bold green")
    elif failed is None or not failed.compared:
        words = ("NOT PROVEN", "a framework did not answer; see above", "bold yellow")
    else:
        stage = f", first at {failed.first_failure}" if failed.first_failure else ""
        words = ("DIFFERENT", f"from level {failed.level} on ({failed.title}{stage})", "bold red")
    console.print(Text.assemble(f"{name}: ", (words[0], words[2]), f" {words[1]}, {seconds:.1f} s"), soft_wrap=True)


def training_title(records: Sequence[Training]) -> str:
    """What was trained on what, in one line."""
    first = records[0]
    seeds = sorted({record.seed for record in records})
    named = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    precision = "" if first.precision == "float32" else f", {first.precision}"
    threads = f"{first.threads} thread{'' if first.threads == 1 else 's'}"
    return (
        f"{first.network} on {first.dataset} ({first.train_images:,} to train on), recipe {first.recipe}, "
        f"batch {first.batch}, {named}, {first.device.upper()} with {threads}{precision}"
    )


def training_table(records: Sequence[Training]) -> Table:
    """The frameworks' trainings side by side, seed by seed."""
    columns = ["", "seed", "epochs", "train", "test", "seconds", "images/s", "first step", "peak memory"]
    table = _table(*columns, right=range(1, len(columns)))
    for record in records:
        final = record.final
        images = len(record.epochs) * (record.train_images // record.batch) * record.batch
        table.add_row(
            FRAMEWORKS[record.framework].title,
            str(record.seed),
            f"{len(record.epochs)}/{record.epochs_planned}",
            f"{final.train_accuracy:.2%}" if final else "-",
            f"{final.test_accuracy:.2%}" if final else "-",
            f"{record.seconds:,.1f}",
            f"{images / record.seconds:,.0f}" if record.seconds else "-",
            f"{record.first_seconds:.1f} s" if record.first_seconds else "-",
            f"{record.peak_memory / MIB:,.0f} MiB" if record.peak_memory else "-",
        )
    return table


def same_start(records: Sequence[Training]) -> list[str]:
    """Two lines: whether, for every seed, all frameworks had the same batches and the same initial weights."""
    lines = []
    for what, digest in (
        ("batches identical (the whole first epoch)", "batches_digest"),
        ("initial weights identical", "initial_digest"),
    ):
        answers = {
            same({answer.framework: getattr(answer, digest) for answer in records if answer.seed == seed})
            for seed in {answer.seed for answer in records}
        }
        lines.append(f"{what}: {next(answer for answer in ('NO', 'unknown', 'yes') if answer in answers)}")
    return lines


def same(values: Mapping[str, str]) -> str:
    """Whether all frameworks report the same digest.

    Args:
        values: digests by framework; empty where a training did not get so far.

    Returns:
        "yes", "NO", or "unknown" where a digest is missing.

    Example:
        >>> same({"paddle": "a", "tensorflow": "b"}), same({"paddle": "a", "tensorflow": ""})
        ('NO', 'unknown')
    """
    if len(values) < len(FRAMEWORKS) or not all(values.values()):
        return "unknown"
    return "yes" if len(set(values.values())) == 1 else "NO"


def equivalence_lines(equivalence: Equivalence) -> list[str]:
    """The verdict on the accuracies, the numbers behind it, and its problems, line by line."""
    first_title, second_title = (FRAMEWORKS[name].title for name in equivalence.accuracies)
    low, high = equivalence.interval
    certain = f"{2 * equivalence.confidence - 1:.0%} interval {low:+.2f} to {high:+.2f}"
    return [
        f"test accuracy over {len(equivalence.seeds)} seeds: {equivalence.verdict.upper()}",
        f"  {first_title} less {second_title}: {equivalence.difference:+.2f} points, {certain}, "
        f"margin {equivalence.margin:g}; p {equivalence.p_equivalent:.2g} (equivalence), "
        f"p {equivalence.p_different:.2g} (difference)",
        *(f"  {problem}" for problem in equivalence.problems),
    ]


def cross_lines(evaluation: CrossEvaluation) -> list[str]:
    """One line on weights that one framework trained and the other evaluated, and its problems."""
    trained_in, evaluated_in = FRAMEWORKS[evaluation.trained_in].title, FRAMEWORKS[evaluation.evaluated_in].title
    line = f"trained in {trained_in} (seed {evaluation.seed}), evaluated in {evaluated_in}: "
    if evaluation.problems:
        return [line + "NO ANSWER", *(f"  {problem}" for problem in evaluation.problems)]
    unexplained = sum(not image.float64_agree for image in evaluation.differing)
    if unexplained:
        kind = f", {unexplained} of them in float64 too: NOT EQUAL"
    else:
        kind = ", all alike in float64: rounding" if evaluation.differing else ""
    return [
        f"{line}{len(evaluation.differing)} of {evaluation.images:,} predictions differ{kind}; accuracy "
        f"{evaluation.accuracy_home:.2%} and {evaluation.accuracy_abroad:.2%}, largest gap of a logit "
        f"{evaluation.largest_gap:.1e}"
    ]


def findings_table(findings: Sequence[Finding]) -> Table:
    """The findings of `parity doctor` as a table, with what to do."""
    table = _table("", "what", "found")
    for column in table.columns[:2]:
        column.no_wrap = True
    for finding in findings:
        detail = _text(finding.detail)
        if finding.advice:
            detail.append(_text(f"\nwhat to do: {finding.advice}", STYLES[finding.severity]))
        table.add_row(Text(finding.severity, STYLES[finding.severity]), finding.what, detail)
    return table


def _table(*headings: str, right: Sequence[int] = ()) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index in right else "left", overflow="fold")
    return table


def migration_lines(migration: Migration) -> list[str]:
    """The verdict on a user's pair of models, what differs, and how to fix it, line by line."""
    from parity.catalogue.traps import TRAPS
    from parity.records.records import grouped

    first = "with the suggested changes, " if migration.fixed else ""
    lines = [
        f"{first}{migration.verdict}: {migration.first} / {migration.second}, "
        f"{len(migration.stages)} layers and functions matched"
    ]
    for cause, stages in grouped(migration.causes):
        trap = TRAPS.get(cause.trap)
        lines.append(f"cause ({cause.trap or 'no known trap'}, {_occurrences(len(stages))}): {cause.text}")
        if trap:
            lines.append(f"  what to do: {trap.fix}")
    lines += [f"ambiguous: {line}" for line in migration.ambiguous]
    lines += [f"note: {line}" for line in migration.remarks]
    lines += [f"in training only: {line}" for line in migration.training]
    if migration.impact:
        share = f"{migration.impact.changed} of {migration.impact.inputs}"
        lines.append(f"decision impact: with the TensorFlow model's own weights, {share} inputs change their class")
    if migration.fix and not migration.fixed:
        lines += [
            "",
            "the changes that --apply-fixes makes to the Paddle model:",
            "",
            *migration.fix.rstrip().splitlines(),
        ]
    return [*lines, *(f"by hand: {line}" for line in migration.by_hand)]


def _occurrences(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"


def conversion_lines(conversion: Conversion) -> list[str]:
    """What the terminal shows of a conversion, line by line.

    Args:
        conversion: that succeeded or was refused.

    Returns:
        Of a refused one the problems; else counts, the proof, and code that the model needs.
    """
    from parity.migration.convert import TITLES

    files, proof = conversion.files, conversion.proof
    notes = [f"note: {note}" for note in conversion.notes]
    if conversion.problems:
        lines = [f"not converted, {files.destination} was not written:", *(f"  {line}" for line in conversion.problems)]
        advice = "`parity compare` with the same models shows the causes and how to fix them."
        return [*lines, *([advice] if proof else []), *notes]
    assert proof is not None
    source, destination = TITLES[files.source_framework], TITLES[files.destination_framework]
    lines = [
        f"converted: {files.source} ({source}) -> {files.destination} ({destination})",
        f"{conversion.arrays} arrays of {conversion.elements:,} elements, read back from the new file bit for bit",
        f"float64 forward on {proof.dataset}: {proof.compared['stages']} layers and functions agree, largest gap "
        f"{proof.gap:.1e} at {proof.worst!r}, limit {proof.limit:.1e}",
        *notes,
    ]
    return [*lines, "", *conversion.fix.rstrip().splitlines()] if conversion.fix else lines
