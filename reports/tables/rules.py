"""What the runs show of update rules: proofs of the optimizers, which speak neither for nor against a network."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.records import RuleProof
from reports.evidence.merged_runs import MergedRuns
from reports.evidence.verdict import proof_faults, unanswered
from reports.formatting import code, listed, network_label
from reports.tables.proofs import proofs_table

RULES_GUIDE = (
    "Each update rule by itself, also those that no recipe uses, in float64 and with weight decay, on the weights of a "
    "small network after several steps across a change of the learning rate. Whether that network is equal is not "
    "decided here: the levels above do."
)


def rules_summary(part: MergedRuns) -> str:
    """Which rules are equal in the part's versions, and why others are not; empty where none was looked at."""
    if not part.rules:
        return ""
    failed = [rule for rule in part.rules if proof_faults(rule)]
    silent = [rule for rule in failed if unanswered(rule)]
    equal = [rule for rule in part.rules if rule not in failed]
    wrong = [rule for rule in failed if rule not in silent]
    clauses = [_clause(equal, "equal")] if equal else []
    clauses += [
        f"**{_clause(rules, words)}**" for rules, words in ((wrong, "NOT EQUAL"), (silent, "not proven")) if rules
    ]
    where = f" in {part.where}" if part.label else ""
    networks = listed([code(name) for name in dict.fromkeys(rule.network for rule in part.rules)])
    text = f"The update rules{where}, on {networks}: {'; '.join(clauses)}."
    reasons = [f"- {code(rule.rule)}: {reason}" for rule in failed for reason in proof_faults(rule)]
    return "\n\n".join([text, *(["\n".join(reasons)] if reasons else [])])


def _clause(rules: Sequence[RuleProof], words: str) -> str:
    return f"{listed([code(rule.rule) for rule in rules])} {'is' if len(rules) == 1 else 'are'} {words}"


def rules_table(merged: MergedRuns) -> str:
    """Every rule's gap and what was compared, a row a rule and combination of versions."""
    labelled = [(network_label(rule.network, part.label), rule) for part in merged.parts for rule in part.rules]
    return proofs_table(labelled) or ""
