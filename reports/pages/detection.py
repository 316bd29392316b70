"""How much the suite finds: what became of the faults that were put into correct twins."""

from __future__ import annotations

from collections.abc import Sequence

from parity.catalogue.traps import TRAPS
from parity.records.detection_rates import Rates, margin, rates_of
from parity.records.records import Detection, Innocence
from reports.evidence.merged_runs import Evidence
from reports.formatting import NOTHING, code, count, framework_title, gap, listed, plain, table

KEY = """\
A fault is one known difference between the frameworks, put into one correct twin. It is *caught* when the level of
evidence that must see it fails, or an earlier one; *placed* when the diagnosis names the stage and the framework where
it was put; *named* when the diagnosis names it. Each was put into one stage of each network that has a place for it,
drawn at random, once in each framework where it can occur."""

CORRECT = """\
Beside the faults stand pairs of correct twins, each with other weights, images and masks: nobody may be accused. The
margin is how many orders of magnitude the smallest gap of a fault stands above the largest of a correct pair."""


def detection_section(evidence: Evidence) -> str:
    """Rates by trap, every fault that was not found as it should be; by network also what was said of correct pairs.

    Where there are several versions of the frameworks, all of it for each: faults are not added up over versions.
    """
    parts = [part for part in evidence.parts if part.detections or part.innocents]
    return "\n\n".join(_section(part) for part in parts)


def _section(evidence: Evidence) -> str:
    """The section of one combination of versions."""
    found, innocents = evidence.detections, evidence.innocents
    parts = [f"## Detection power, {evidence.where}" if evidence.label else "## Detection power"]
    if found:
        parts += [_headline(found, innocents), KEY, _by_trap(found)]
        if missed := [each for each in found if not _good(each)]:
            parts += ["Not found as they should be:", _missed(missed)]
        if absent := [trap for trap in TRAPS.values() if trap.elsewhere]:
            lines = [f"- {code(trap.id)} ({trap.title}): {trap.elsewhere}." for trap in absent]
            parts.append("Not put in:\n\n" + "\n".join(lines))
    parts += ["### By network", CORRECT, _by_network(found, innocents)]
    return "\n\n".join(parts)


def _good(found: Detection) -> bool:
    return found.caught and found.placed and found.named and not found.accused


def _headline(found: Sequence[Detection], innocents: Sequence[Innocence]) -> str:
    rates = rates_of(found)
    words = ", ".join(f"{hits} {what}" for what, hits in _hits(rates).items())
    networks = list(dict.fromkeys(each.network for each in found))
    where = listed([code(name) for name in networks]) if len(networks) < 4 else f"{len(networks)} networks"
    text = f"**Of {rates.injected} faults in {where}: {words}.**"
    orders = margin(found, innocents)
    if orders is not None:
        text += (
            f" In units of its limit, the smallest gap of a fault stands {orders:.1f} orders of magnitude above the "
            "largest of a correct pair."
        )
    return text


def _hits(rates: Rates) -> dict[str, str]:
    hits = {"caught": rates.caught, "placed": rates.placed, "named": rates.named}
    return {what: f"{number} ({number / rates.injected:.1%})" for what, number in hits.items()}


def _by_trap(found: Sequence[Detection]) -> str:
    rows = []
    for trap in TRAPS:
        own = [each for each in found if each.trap == trap]
        if not own:
            continue
        rates = rates_of(own)
        levels = sorted({each.level for each in own if each.level})
        severities = [each.severity for each in own if each.severity]
        rows.append(
            [
                code(trap),
                plain(TRAPS[trap].title),
                count(len({each.network for each in own})),
                count(rates.injected),
                count(rates.caught),
                count(rates.placed),
                count(rates.named),
                listed([str(level) for level in levels]) or NOTHING,
                gap(min(severities)) if severities else "not a number",
            ]
        )
    numeric = ["networks", "faults", "caught", "placed", "named", "smallest gap / limit"]
    return table(["trap", "what differs", *numeric[:-1], "seen at level", numeric[-1]], rows, numeric)


def _missed(missed: Sequence[Detection]) -> str:
    rows = [
        [
            code(each.network),
            code(each.trap),
            plain(each.change),
            framework_title(each.framework),
            code(each.stage),
            f"{each.level or NOTHING} (must: {each.must_level})",
            plain(each.diagnosis),
            listed([code(stage) for stage in each.accused]) or NOTHING,
        ]
        for each in missed
    ]
    headers = ["network", "trap", "change", "framework", "stage", "level", "diagnosis", "accused beside it"]
    return table(headers, rows)


def _by_network(found: Sequence[Detection], innocents: Sequence[Innocence]) -> str:
    rows = []
    for name in dict.fromkeys([each.network for each in found] + [each.network for each in innocents]):
        own = [each for each in found if each.network == name]
        correct = [each for each in innocents if each.network == name]
        rates = rates_of(own) if own else None
        seen = [each.severity for each in own if each.severity]
        unseen = [each.severity for each in correct if each.severity]
        rows.append(
            [
                code(name),
                *(count(each) for each in ((rates.injected, rates.caught, rates.placed, rates.named) if rates else ())),
                *([NOTHING] * 4 if rates is None else []),
                gap(min(seen)) if seen else NOTHING,
                count(sum(len(each.seeds) for each in correct)) if correct else NOTHING,
                count(sum(len(each.accusations) for each in correct)) if correct else NOTHING,
                gap(max(unseen)) if unseen else NOTHING,
                NOTHING if (orders := margin(own, correct)) is None else f"{orders:.1f}",
            ]
        )
    faults = ["faults", "caught", "placed", "named", "smallest gap / limit"]
    headers = [*faults, "correct pairs", "accused", "their largest gap / limit", "margin"]
    text = table(["network", *headers], rows, headers)
    lines = [f"- {code(each.network)}: {plain(line)}" for each in innocents for line in each.accusations]
    return "\n\n".join([text, *(["\n".join(lines)] if lines else [])])
