"""The section of a migration report on the weights that both models have: `parity compare --weights own`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from parity.records.migrations import LoneArray, Migration, OwnArray, OwnWeights
from reports import formatting as words
from reports.formatting import code, count_text, folded, framework_title, is_number, listed, plain, some, table, within

STATES = ("other", "rounded", "same bits")  # in the order in which arrays are listed


def own_weights_section(comparison: Migration) -> str:
    """Arrays and outputs of both models with their own weights; empty where these were not compared."""
    own = comparison.own
    if own is None:
        return ""
    parts = [
        "## Own weights",
        "Both models with the weights that they have, as a conversion left them. TensorFlow's arrays were put into "
        "Paddle's layout and held against what Paddle has: the same bits; *rounded*, where one is the other rounded to "
        "a shorter type, or no number is further off than the next of float32; or *other*.",
        f"**{_arrays(own)}.** {_outputs(own)}",
    ]
    if own.reasons:
        parts.append("\n".join(f"- {plain(reason)}." for reason in own.reasons))
    rows = sorted(own.arrays, key=lambda one: STATES.index(one.state))
    if rows:
        headers = ["Paddle array", "made of", "numbers", "state", "largest gap", "at"]
        listing = table(headers, [_row(one) for one in rows], ["numbers", "largest gap"])
        parts.append(folded(f"All {some(len(rows), 'array')}", listing))
    if own.alone:
        parts.append("### Arrays without a counterpart")
        parts.append(
            table(["model", "array", "numbers", "changes nothing", "what it holds"], _alone(own.alone), ["numbers"])
        )
    return "\n\n".join(parts)


def _arrays(own: OwnWeights) -> str:
    counts = Counter(one.state for one in own.arrays)
    kinds = [f"{count_text(count)} rounded to {kind}" for kind, count in own.roundings.items()]
    texts = [f"{some(counts['same bits'], 'array')} with the same bits", *kinds]
    return listed([*texts, *([f"{count_text(counts['other'])} other"] if counts["other"] else [])])


def _outputs(own: OwnWeights) -> str:
    gap = words.gap_text(own.gap) if own.gap is not None and is_number(own.gap) else "**not a number**"
    if own.gap is not None and not within(own.gap, own.limit):
        gap = f"**{gap}**"
    text = (
        f"The outputs on {count_text(own.inputs)} inputs ({plain(own.title)}) and on designed ones, "
        f"{some(own.sets, 'set')} and {count_text(own.elements)} numbers in all, have the largest gap {gap}, the limit "
        f"{words.gap_text(own.limit)}."
    )
    tops = [(1, own.top1), (5, own.top5)]
    agreeing = [
        f"top-{top} agreement {count_text(count)} of {count_text(own.inputs)}"
        for top, count in tops
        if count is not None
    ]
    return f"{text} {listed(agreeing).capitalize()}." if agreeing else text


def _row(one: OwnArray) -> list[str]:
    state = f"rounded to {one.rounding}" if one.state == "rounded" else one.state
    if one.state == "other":
        why = f"holds {code(one.holds)}" if one.holds else one.why
        state = f"**other**, {why}" if why else "**other**"
    gap, index = words.NOTHING, words.NOTHING
    if one.state == "other":
        gap = words.gap_text(one.gap) if one.gap is not None and is_number(one.gap) else "**not a number**"
        index = ", ".join(map(str, one.index)) or words.NOTHING
    return [code(one.name), ", ".join(map(code, one.sources)), count_text(one.elements), state, gap, index]


def _alone(arrays: Sequence[LoneArray]) -> list[list[str]]:
    return [
        [
            framework_title(one.framework),
            code(one.name),
            count_text(one.elements),
            "yes" if one.idle else "**not known**",
            plain(one.why),
        ]
        for one in arrays
    ]


def own_weights_faults(own: OwnWeights) -> list[str]:
    """Why a record that says "equal" does not show it, in words that follow "but"."""
    others = sum(one.state == "other" for one in own.arrays)
    left = sum(not one.idle for one in own.alone)
    return [
        *([f"other numbers are in {some(others, 'array')}"] if others else []),
        *([f"no counterpart is known of {some(left, 'array')}"] if left else []),
        *(["no array was compared"] if not own.arrays else []),
        *(["no output was compared"] if not own.elements else []),
        *(["the outputs with own weights differ"] if own.elements and not within(own.gap, own.limit) else []),
        *(["the models are not equal with drawn weights"] if own.drawn != "equal" else []),
    ]


def own_weights_sentence(comparison: Migration, own: OwnWeights, faults: Sequence[str]) -> str:
    """The sentence to sign about two models with their own weights.

    Args:
        comparison: the record.
        own: its part about weights.
        faults: why the record does not show that the models are equal, both of proofs and of weights.
    """
    first, second = code(comparison.first), code(comparison.second)
    if comparison.equal and faults:
        return f"Not proven: the record says equal, but {listed(faults)}."
    if comparison.equal:
        rounded = [f"{kind} rounding of {some(count, 'array')}" for kind, count in own.roundings.items()]
        start = f"Equal up to {listed(rounded)}" if rounded else "Equal"
        start += " once the changes below are made" if comparison.fixed else ""
        return (
            f"{start}, with the weights that both have: {second} computes what {first} computes. {_arrays(own)}; the "
            f"outputs agree on all inputs that were tried, {count_text(own.inputs)} of them real or the user's."
        )
    reasons = "; ".join(plain(reason) for reason in own.reasons) or "no reason is on record"
    if comparison.verdict == "undecided":
        return (
            f"Undecided, with the weights that both have, whether {second} computes what {first} computes: {reasons}."
        )
    return f"Different, with the weights that both have: {second} does not compute what {first} computes: {reasons}."
