"""Decide which networks are proven equal. The rules are strict: what was not shown counts against the network.

A network is equal only if levels 1, 2 and 3 are all recorded, each of them sound (see `faults`), all measured with the
same versions of the frameworks, and no further level on record has failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from parity.results import Proof
from reports.evidence import Evidence, Sourced, lookup
from reports.text import code, framework_order, framework_title, gap, is_number, listed, plain

LEVELS = {
    1: "transfer certificate",
    2: "float64 forward",
    3: "float32 forward",
    4: "train-mode forward",
    5: "gradients",
    6: "optimizer steps",
    7: "loss curve",
    8: "accuracy over seeds",
}
REQUIRED = (1, 2, 3)


class State(StrEnum):
    """What the evidence says of a network."""

    EQUAL = "equal"
    DIFFERENT = "NOT EQUAL"
    UNPROVEN = "not proven"


@dataclass(frozen=True)
class Verdict:
    """The judgement on one network. `failed` maps a failed level to its reasons, one line of Markdown each."""

    network: str
    state: State
    proofs: Mapping[int, Proof]  # by level
    failed: Mapping[int, list[str]]
    missing: Sequence[int]
    mixed: str | None = None  # why the levels on record cannot stand together

    def cell(self, level: int) -> str:
        """What a table says of one level."""
        if level not in self.proofs:
            return "not run"
        return "**FAILED**" if level in self.failed else "passed"


def judge(evidence: Evidence) -> list[Verdict]:
    """A verdict for every network that any record names."""
    return [
        _judge(name, [item for item in evidence.proofs if item.record.network == name]) for name in evidence.networks
    ]


def _judge(network: str, proofs: Sequence[Sourced[Proof]]) -> Verdict:
    levels = {item.record.level: item.record for item in sorted(proofs, key=lambda item: item.record.level)}
    failed = {level: reasons for level, proof in levels.items() if (reasons := faults(proof))}
    missing = [level for level in REQUIRED if level not in levels]
    mixed = _mixed([item for item in proofs if item.record.level in REQUIRED])
    state = State.DIFFERENT if failed else State.UNPROVEN if missing or mixed else State.EQUAL
    return Verdict(network, state, levels, failed, missing, mixed)


def faults(proof: Proof) -> list[str]:
    """Why a proof does not hold, in Markdown; empty when it is sound.

    The record's own `passed` is necessary and not sufficient: nothing compared, a gap that is no number or lies above
    its limit, and recorded problems each overrule it.
    """
    found = []
    if proof.first_failure:
        found.append(f"first failing {_place(proof)}: {code(proof.first_failure)}")
    found += _gap_faults(proof)
    empty = [kind for kind in ("elements", *sorted(proof.compared)) if not _positive(proof.compared.get(kind))]
    if empty:
        found.append(f"nothing was compared: no {listed(list(dict.fromkeys(empty)))} on record")
    found += [plain(problem) for problem in proof.problems]
    if proof.passed is not True and not found:
        found.append("recorded as failed, without a reason")
    return found


def _place(proof: Proof) -> str:
    return "array" if proof.level == 1 else "stage"


def _positive(number: Any) -> bool:
    return is_number(number) and number > 0


def _gap_faults(proof: Proof) -> list[str]:
    """Faults of the gap and, at level 3, of each framework's own gap to the float64 oracle."""
    found = []
    # A certificate of bit-exact transfer may do without a gap; everywhere else none means "never got so far".
    if not (proof.level == 1 and proof.gap is None):
        found += _over(proof.gap, proof.limit, proof.worst)
    if proof.level == 3:
        if len(proof.frameworks) < 2:
            found.append(f"expected the error of both frameworks, found {len(proof.frameworks)}")
        for name in sorted(proof.frameworks, key=framework_order):
            own = proof.frameworks[name]
            reasons = _over(lookup(own, "gap"), lookup(own, "limit"), lookup(own, "worst"))
            found += [f"{framework_title(name)}: {reason}" for reason in reasons]
    return found


def _over(value: Any, limit: Any, worst: Any) -> list[str]:
    """One line when a gap is not a number within its limit."""
    where = f" at {code(worst)}" if worst else ""
    if is_number(value) and is_number(limit) and value <= limit:
        return []
    return [
        f"gap {gap(value)}{where}, limit {gap(limit)}" if is_number(value) else f"gap {gap(value)}{where}: not a number"
    ]


def _mixed(proofs: Sequence[Sourced[Proof]]) -> str | None:
    """A sentence when the levels were measured with different versions of a framework."""
    used: dict[str, set[str]] = {}
    for item in proofs:
        for name, facts in (lookup(item.run.environment, "frameworks") or {}).items():
            used.setdefault(name, set()).add(str(lookup(facts, "version")))
    mixed = {name: versions for name, versions in used.items() if len(versions) > 1}
    if not mixed:
        return None
    parts = [f"{framework_title(name)} {listed(sorted(mixed[name]))}" for name in sorted(mixed, key=framework_order)]
    return f"its levels were measured with different versions ({plain('; '.join(parts))}); measure them in one run"


def headline(verdicts: Sequence[Verdict], where: str) -> str:
    """The verdict in one bold sentence; `where` names the two frameworks."""
    number = {state: sum(verdict.state is state for verdict in verdicts) for state in State}
    noun = "network is" if len(verdicts) == 1 else "networks are"
    clauses = [f"{number[State.EQUAL]} of {len(verdicts)} {noun} equal in {where}"]
    for state, words in ((State.DIFFERENT, "not equal"), (State.UNPROVEN, "not proven")):
        if number[state]:
            clauses.append(f"{number[state]} {'is' if number[state] == 1 else 'are'} {words}")
    return f"**{'; '.join(clauses)}.**"
