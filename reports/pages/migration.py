"""The report of `parity compare`: what an engineer signs who moves a model from TensorFlow to Paddle."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from parity.catalogue.pair_traps import PAIR_TRAPS
from parity.printable import printable
from parity.records.environment import Environment
from parity.records.migrations import Migration, grouped
from parity.records.records import Proof
from parity.records.validation import validated
from reports import formatting as words
from reports.album import Album
from reports.evidence.verdict import proof_faults
from reports.formatting import (
    code,
    count_text,
    folded,
    framework_title,
    is_number,
    levels_text,
    listed,
    plain,
    some,
    table,
    within,
)
from reports.pages.own_weights import own_weights_faults, own_weights_section, own_weights_sentence
from reports.plots.migration import NO_KNOWN_TRAP, depth_section
from reports.tables.proofs import SHORT

# Levels without which nothing is shown, of each row one: models that have no float64 have no level 2, and outputs of
# whole numbers no level 3; 4 and 5 are run on request.
REQUIRED_OF_PAIR = ((1,), (2, 3))

MOST_LINES = 8  # of a list; a longer one is folded away

LAYERS = [f"{framework_title(name)} layer" for name in ("tensorflow", "paddle")]

PAIR_LEVELS = {
    1: "every array of one model has its counterpart in the other, and both hold the numbers that were drawn for the "
    "proofs, read back bit for bit.",
    2: "the models' own outputs on inputs that are designed for them, in double precision, where rounding almost "
    "vanishes. Models that compute the same differ by about 1e-15; a padding, an epsilon or an activation that differs "
    "shows as a gap many orders of magnitude larger.",
    3: "the precision that will be used. Each model's float32 outputs are held against its own float64 ones, within "
    "what rounding explains; so this level judges each model alone, and passes for two models that differ. Of models "
    "that have no float64 it is level 2 in the precision that they have.",
    4: "one pass in training mode, with the same masks of dropout: the outputs and the running statistics of batch "
    "norms.",
    5: "the gradient of every parameter in that pass, in float64.",
}

UNSAID = """\
What this does not say:

- Inputs of other shapes, other devices, lower precisions and other versions of the frameworks were not tried.
{weights}\
- What lies outside the models was not looked at: reading and scaling the inputs, and what is done with the outputs."""


DRAWN = """\
- The weights of the proofs were drawn. Whether a file of trained weights was converted correctly is another question:
  `--weights own` answers it.
"""


def compose_migration_report(comparison: Migration, folder: str) -> tuple[str, dict[str, bytes]]:
    """The Markdown text, and its pictures by file name. `folder` is the name of the pictures' folder."""
    album = Album(folder)
    sections = [
        f"# Migration report: {code(comparison.first)} to {code(comparison.second)}",
        _verdict(comparison),
        _proofs(comparison.proofs, exact=_exact(comparison)),
        depth_section(comparison, album),
        own_weights_section(comparison),
        _causes(comparison),
        _impact(comparison),
        _fix(comparison),
        _lines("## In training only", comparison.training, "No difference was found."),
        _layers(comparison),
        _made(comparison),
    ]
    return "\n\n".join(section for section in sections if section) + "\n", album.pictures


def _verdict(comparison: Migration) -> str:
    parts = ["## Verdict", f"**{_sentence(comparison)}**"]
    if proof := next((proof for proof in comparison.proofs if proof.level in (2, 3)), None):
        where = f"inputs of {'x'.join(map(str, comparison.input))}, {plain(comparison.inputs)}"
        elements = count_text(proof.compared.get("elements"))
        numbers = f"{count_text(len(comparison.stages))} layers and functions, {elements} elements"
        parts.append(
            f"Compared in {_precision(comparison)} on {where}, with the same drawn weights in both models: {numbers}. "
            f"The largest gap "
            f"is {_gap(proof.gap, proof.limit)}, the limit {words.gap_text(proof.limit)}."
        )
    if traps := Counter(cause.trap for cause in comparison.causes):
        kinds = listed([f"{code(trap) if trap else NO_KNOWN_TRAP} ({number})" for trap, number in traps.items()])
        parts.append(f"{some(len(comparison.causes), 'cause')} found: {kinds}.")
    unsaid = (
        "Of training, one pass was compared, with the same masks of dropout; not loss, optimizer or learning rates."
        if any(proof.level in (4, 5) for proof in comparison.proofs)
        else "Nothing is said of training: levels 4 and 5 were not run. `--training` runs them where the models "
        "agree in inference."
    )
    order = f"{some(len(comparison.ambiguous), 'group')} of layers could be matched by their order only, see *Layers*."
    said = UNSAID.format(weights=DRAWN if comparison.own is None else "")
    return "\n\n".join([*parts, f"{said}\n- {unsaid}" + (f"\n- {order}" if comparison.ambiguous else "")])


def _sentence(comparison: Migration) -> str:
    """The sentence to sign. A record that says "equal" is reported so only where its proofs show it."""
    first, second = code(comparison.first), code(comparison.second)
    compared = [stage for stage in comparison.stages if stage.limit is not None]
    over = sum(not within(stage.gap, stage.limit) for stage in compared)
    failed = [proof.level for proof in comparison.proofs if proof_faults(proof, exact=_exact(comparison))]
    levels = {proof.level for proof in comparison.proofs}
    absent = [level for required in REQUIRED_OF_PAIR if not levels & set(required) for level in required]
    precision = _precision(comparison)
    reasons = [f"{levels_text(failed)} failed"] if failed else []
    reasons += [f"{over} of {len(compared)} compared layers differ in {precision}"] if over else []
    reasons += [f"nothing is on record of {levels_text(absent)}"] if absent else []
    if not reasons and comparison.causes:
        reasons = [
            f"they differ in {some(len(comparison.causes), 'setting')} of layers, which these inputs do not show"
        ]
    if comparison.own is not None:
        return own_weights_sentence(comparison, comparison.own, [*reasons, *own_weights_faults(comparison.own)])
    if comparison.equal and reasons:
        return f"Not proven: the record says equal, but {listed(reasons)}."
    if comparison.equal:
        start = f"Equal: {second} computes what {first} computes, given the same weights"
        return f"{start}; in {precision} all outputs agree, and {len(compared)} of {len(compared)} compared layers."
    if comparison.verdict == "undecided":
        return (
            f"Undecided: whether {second} computes what {first} computes was not proven. What could not be established "
            "is listed under *Evidence*; in the rest nothing was found that differs."
        )
    start = f"Different: {second} does not compute what {first} computes, given the same weights"
    fixed = " With the changes below the two agree." if comparison.fixed_verdict == "equal" else ""
    return f"{start}; {listed(reasons) if reasons else 'no reason is on record'}.{fixed}"


def _precision(comparison: Migration) -> str:
    return "float64" if _exact(comparison) else "the precision that they have"


def _exact(comparison: Migration) -> bool:
    """Whether the models have a float64 run."""
    return any(proof.level == 2 for proof in comparison.proofs)


def _proofs(proofs: Sequence[Proof], *, exact: bool) -> str:
    rows, reasons = [], []
    for proof in proofs:
        bits = proof.level == 1 and proof.gap is None  # bits have no gap
        gaps = [words.NOTHING] * 2 if bits else [_gap(proof.gap, proof.limit), words.gap_text(proof.limit)]
        where = code(proof.worst) if proof.worst else words.NOTHING
        kinds = {SHORT.get(kind, kind).removesuffix("s"): number for kind, number in proof.compared.items()}
        what = ", ".join(some(number, kind) for kind, number in kinds.items()) or "nothing"
        wrong = proof_faults(proof, exact=exact)
        result = "**FAILED**" if wrong else "passed"
        rows.append([str(proof.level), plain(proof.title), result, *gaps, where, what])
        if wrong:
            said = [plain(problem) for problem in proof.problems] or wrong
            reasons.append(f"- **Level {proof.level} failed:** {'; '.join(said)}.")
    headers = ["level", "evidence", "result", "largest gap", "limit", "where", "compared"]
    key = "\n".join(
        f"- Level {level}: {text}" for level, text in PAIR_LEVELS.items() if level in {p.level for p in proofs}
    )
    scale = "Gaps and limits are relative to the largest absolute value of their layer or array. What the levels mean:"
    parts = ["## Evidence", table(headers, rows, numeric=["largest gap", "limit"]), "\n".join(reasons), scale, key]
    return "\n\n".join(part for part in parts if part)


def _causes(comparison: Migration) -> str:
    if not comparison.causes:
        none = "None was found."
        unknown = "**None was found:** look at the first layer over its limit."
        return f"## Causes\n\n{none if comparison.equal else unknown}"
    parts = ["## Causes", "Each layer was fed alone what reaches the TensorFlow one: the gap is what it makes itself."]
    for number, (cause, stages) in enumerate(grouped(comparison.causes), 1):
        trap = PAIR_TRAPS.get(cause.trap)
        where = f"in {len(stages)} places, first at" if len(stages) > 1 else "at"
        title = f"{code(trap.id) if trap else NO_KNOWN_TRAP} {where} {code(cause.stage)}"
        parts += [f"### {number}. {title}", f"{plain(cause.text)}."]
        if fix := cause.advice or (trap.fix if trap else ""):
            parts.append(f"**What to do:** {plain(fix)}.")
        if len(stages) > 1:
            parts.append(folded(f"All {len(stages)} places", _locations(comparison, cause.trap, stages)))
    return "\n\n".join(parts)


def _locations(comparison: Migration, trap: str, stages: Sequence[str]) -> str:
    """A row for each place of one group of causes."""
    partners = {stage.first: stage.second for stage in comparison.stages}
    causes = {(cause.trap, cause.stage): cause for cause in comparison.causes}
    rows = []
    for name in stages:
        gaps = [causes[trap, name].before, causes[trap, name].after]
        gap_texts = ["not seen"] * 2 if gaps == [0, 0] else map(_number, gaps)
        rows.append([code(name), *([code(partners[name]), *gap_texts] if name in partners else [words.NOTHING] * 3)])
    numeric = ["gap alone", "gap when changed"]
    unseen = "\n\nNot seen: the settings differ, and these inputs do not show it."
    return table([*LAYERS, *numeric], rows, numeric) + (unseen if any("not seen" in row for row in rows) else "")


def _impact(comparison: Migration) -> str:
    impact = comparison.impact
    if impact is None:
        return "## Decision impact\n\nNot measured: switched off, or the outputs of the models do not correspond."
    sentence = impact.sentence[0].upper() + impact.sentence[1:]
    parts = [
        f"## Decision impact\n\n**{sentence}**, in float32. The inputs: {plain(impact.title)}. The largest difference "
        f"of an output, relative to the largest output, is {_number(impact.largest_gap)}."
    ]
    if margins := [100 * margin for margin in impact.margins if is_number(margin)]:
        low, middle, high = map(words.figures, (min(margins), statistics.median(margins), max(margins)))
        parts.append(
            "The margin of an input is TensorFlow's largest output less its second largest; a small one is a decision "
            f"that was close anyway. Of the changed inputs it is {low} to {high} % of the largest output, the median "
            f"{middle} %."
        )
    parts.append(
        "Both models had the TensorFlow model's own weights. Where those are random, as with `weights=None`, all "
        "outputs lie close together and the numbers say little of a trained model; `--tensorflow-weights` loads others."
    )
    return "\n\n".join(parts)


def _fix(comparison: Migration) -> str:
    parts = ["## The fix"]
    if comparison.changes:
        outcome = {
            "equal": "with them the two models agree",
            "different": "with them the layers agree that they are about, and the models still differ elsewhere",
        }.get(comparison.fixed_verdict or "", "with them nothing is left that is known to differ")
        training = " They matter in training only." if comparison.equal else ""
        title = framework_title(comparison.fix_framework)
        made = f"These changes of the {title} model were made in memory and proven: {outcome}.{training}"
        parts.append(_lines(made, comparison.changes))
    if comparison.fix:
        source = printable(comparison.fix.rstrip())
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", source)), default=0))
        text = "`fix(model)` makes them in a model that was built, before its weights are loaded."
        parts.append(folded("As code", f"{text}\n\n{fence}python\n{source}\n{fence}"))
    elif not comparison.by_hand:
        parts.append(
            "There is nothing to change." if comparison.equal else "No change is known that removes the difference."
        )
    if comparison.by_hand:
        parts.append(_lines("What remains to be done by hand:", comparison.by_hand))
    return "\n\n".join(parts)


def _layers(comparison: Migration) -> str:
    rows = []
    for index, stage in enumerate(comparison.stages, 1):
        kind, why = plain(stage.kind.replace("_", " ")), plain(stage.reason)
        gaps = words.NOTHING if stage.limit is None else _gap(stage.gap, stage.limit)
        if stage.problem and not is_number(stage.gap):
            gaps = f"**{plain(stage.problem)}**"
        rows.append([str(index), code(stage.first), code(stage.second), kind, gaps, why])
    matched = table(["", *LAYERS, "kind", "gap", "why these two"], rows, ["", "gap"])
    parts = ["## Layers", folded(f"All {len(rows)} matched layers", matched)]
    for framework, lines in comparison.unmatched.items():
        parts.append(_lines(f"### In {framework_title(framework)} only", lines))
    return "\n\n".join(
        [*parts, _lines("### Ambiguous matches", comparison.ambiguous), _lines("### Remarks", comparison.remarks)]
    )


def _made(comparison: Migration) -> str:
    rows = [
        [f"parameters, {framework_title(name)}", count_text(number)] for name, number in comparison.parameters.items()
    ]
    rows += [
        ["one input", "x".join(map(str, comparison.input))],
        ["inputs", plain(comparison.inputs)],
        ["time", words.duration(comparison.seconds)],
    ]
    rows.append(["peak memory of all processes, added up", words.memory(comparison.peak_memory)])
    environment = validated(comparison.environment, Environment, "environment")
    for name, facts in environment.frameworks.items():
        version, threads = plain(facts.version), count_text(facts.threads)
        rows.append([framework_title(name), f"{version} on {plain(facts.device)}, threads: {threads}"])
    if environment.cpu is not None:
        rows.append(["processor", plain(environment.cpu)])
    if environment.seed is not None:
        rows.append(["seed", plain(environment.seed)])
    if environment.command is not None:
        rows.append(["command", code(environment.command)])
    return "## How it was made\n\n" + table(["", "value"], rows)


def _gap(value: Any, limit: Any) -> str:
    """A gap, bold when it is not within its limit; a check that never got so far has no limit either."""
    if not is_number(value):
        return "**not measured**" if limit is None else _number(value)
    return words.gap_text(value) if within(value, limit) else f"**{words.gap_text(value)}**"


def _number(value: Any) -> str:
    """A gap without a limit. Infinity and NaN are None in a record that was JSON."""
    return words.gap_text(value) if is_number(value) else "**not a number**"


def _lines(title: str, lines: Sequence[str], none: str = "None.") -> str:
    text = "\n".join(f"- {plain(line)}" for line in lines) or none
    return f"{title}\n\n{text if len(lines) <= MOST_LINES else folded(f'All {len(lines)}', text)}"
