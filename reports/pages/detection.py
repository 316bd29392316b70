"""Detection power: what became of the faults that were put into correct twins, and the control runs."""

from __future__ import annotations

from collections.abc import Sequence

from parity.catalogue.networks import NETWORKS
from parity.catalogue.pair_traps import PAIR_TRAPS
from parity.catalogue.traps import TRAPS
from parity.records.detection_rates import Rates, margin, rates_of
from parity.records.records import ControlRun, Detection
from reports.evidence.merged_runs import MergedRuns
from reports.formatting import NOTHING, code, count_text, framework_title, gap_text, listed, plain, table

TERMS = """\
A fault is one known difference between the frameworks, put into one correct twin. It is *caught* when the level of
evidence that must see it fails, or an earlier one; *located* when the diagnosis names the stage and the framework where
it was put; *named* when the diagnosis names it. Each was put into one stage of each network that it applies to,
drawn at random, once in each framework where it can occur."""

PAIR_TERMS = """\
Of a pair of users' models, a fault is put into the Paddle model of a pair that is equal, at every place of a kind that
can have it, one at a time. It counts where it changes what this model computes: against itself without the fault, on
inputs that no comparison designs. It is *caught* when the pair is then called different, *located* when a cause is
given at the layer or function where it was put, *named* when that cause says what was changed."""

CORRECT = """\
A control run compares a pair of correct twins, each time with other weights, images and masks: any difference that is
reported is a false alarm. The margin is how many orders of magnitude the smallest gap of a fault lies above the largest
of a control run."""


def detection_section(merged: MergedRuns) -> str:
    """Rates by trap, every fault that was not detected as it should be; by network also the control runs.

    Where there are several versions of the frameworks, all of it for each: faults are not added up over versions.
    """
    parts = [part for part in merged.parts if part.detections or part.control_runs]
    return "\n\n".join(_section(part) for part in parts)


def _section(merged: MergedRuns) -> str:
    """The section of one combination of versions."""
    detections, control_runs = merged.detections, merged.control_runs
    parts = [f"## Detection power, {merged.where}" if merged.label else "## Detection power"]
    if detections:
        own = any(detection.network in NETWORKS for detection in detections)
        pairs = any(detection.network not in NETWORKS for detection in detections)
        parts += [_headline(detections, control_runs), *[TERMS] * own, *[PAIR_TERMS] * pairs, _by_trap(detections)]
        if missed := [detection for detection in detections if not detection.as_expected]:
            parts += ["Not detected as they should be:", _missed(missed)]
        if own and (absent := [trap for trap in TRAPS.values() if trap.elsewhere]):
            lines = [f"- {code(trap.id)} ({trap.title}): {trap.elsewhere}." for trap in absent]
            parts.append("Not put in:\n\n" + "\n".join(lines))
    parts += ["### By network", CORRECT, _by_network(detections, control_runs)]
    return "\n\n".join(parts)


def _headline(detections: Sequence[Detection], control_runs: Sequence[ControlRun]) -> str:
    rates = rates_of(detections)
    words = ", ".join(f"{hits} {what}" for what, hits in _hits(rates).items())
    networks = list(dict.fromkeys(detection.network for detection in detections))
    where = listed([code(name) for name in networks]) if len(networks) < 4 else f"{len(networks)} networks"
    text = f"**Of {rates.injected} faults in {where}: {words}.**"
    orders = margin(detections, control_runs)
    if orders is not None:
        text += (
            f" In units of its limit, the smallest gap of a fault lies {orders:.1f} orders of magnitude above the "
            "largest of a control run."
        )
    return text


def _hits(rates: Rates) -> dict[str, str]:
    hits = {"caught": rates.caught, "located": rates.located, "named": rates.named}
    return {what: f"{number} ({number / rates.injected:.1%})" for what, number in hits.items()}


def _by_trap(detections: Sequence[Detection]) -> str:
    rows = []
    for trap in PAIR_TRAPS:
        own = [detection for detection in detections if detection.trap == trap]
        if not own:
            continue
        rates = rates_of(own)
        levels = sorted({detection.level for detection in own if detection.level})
        severities = [detection.severity for detection in own if detection.severity]
        rows.append(
            [
                code(trap),
                plain(PAIR_TRAPS[trap].title),
                count_text(len({detection.network for detection in own})),
                count_text(rates.injected),
                count_text(rates.caught),
                count_text(rates.located),
                count_text(rates.named),
                listed([str(level) for level in levels]) or NOTHING,
                gap_text(min(severities)) if severities else "not a number",
            ]
        )
    numeric = ["networks", "faults", "caught", "located", "named", "smallest gap / limit"]
    return table(["trap", "what differs", *numeric[:-1], "seen at level", numeric[-1]], rows, numeric)


def _missed(missed: Sequence[Detection]) -> str:
    rows = [
        [
            code(detection.network),
            code(detection.trap),
            plain(detection.change),
            framework_title(detection.framework),
            code(detection.stage),
            f"{detection.level or NOTHING} (must: {detection.must_level})",
            plain(detection.diagnosis),
            listed([code(stage) for stage in detection.false_alarms]) or NOTHING,
        ]
        for detection in missed
    ]
    headers = ["network", "trap", "change", "framework", "stage", "level", "diagnosis", "also named"]
    return table(headers, rows)


def _by_network(detections: Sequence[Detection], control_runs: Sequence[ControlRun]) -> str:
    rows = []
    for name in dict.fromkeys([record.network for record in detections] + [record.network for record in control_runs]):
        own = [record for record in detections if record.network == name]
        correct = [record for record in control_runs if record.network == name]
        rates = rates_of(own) if own else None
        seen = [record.severity for record in own if record.severity]
        unseen = [record.severity for record in correct if record.severity]
        rows.append(
            [
                code(name),
                *(
                    count_text(record)
                    for record in ((rates.injected, rates.caught, rates.located, rates.named) if rates else ())
                ),
                *([NOTHING] * 4 if rates is None else []),
                gap_text(min(seen)) if seen else NOTHING,
                count_text(sum(len(record.seeds) for record in correct)) if correct else NOTHING,
                count_text(sum(len(record.false_alarms) for record in correct)) if correct else NOTHING,
                gap_text(max(unseen)) if unseen else NOTHING,
                NOTHING if (orders := margin(own, correct)) is None else f"{orders:.1f}",
            ]
        )
    faults = ["faults", "caught", "located", "named", "smallest gap / limit"]
    headers = [*faults, "control runs", "false alarms", "their largest gap / limit", "margin"]
    text = table(["network", *headers], rows, headers)
    lines = [f"- {code(record.network)}: {plain(line)}" for record in control_runs for line in record.false_alarms]
    return "\n\n".join([text, *(["\n".join(lines)] if lines else [])])
