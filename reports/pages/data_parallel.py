"""The report's section on processes that share every batch: what they compute, their faults, what sharing costs."""

from __future__ import annotations

from collections.abc import Sequence

from parity.records.replicas import ReductionSpeed, ReplicaProof
from reports.evidence.merged_runs import MergedRuns
from reports.evidence.sharing import Link, Sharing, link_of, sharing_of
from reports.evidence.verdict import proof_faults
from reports.formatting import (
    TITLES,
    code,
    count_text,
    figures,
    framework_title,
    is_number,
    listed,
    network_label,
    plain,
)
from reports.tables.proofs import proofs_table
from reports.tables.replicas import cost_table, fault_table, projection_table, reduction_table, sharing_table

PROJECTED = (8, 64, 512)  # replicas

PROVEN = """\
Level 6 over replicas, in float64: ten steps of several processes, each on its share of every batch, across a change of
the learning rate. Without batch norm, and with statistics over all replicas, they are held against one process on the
whole batches. With statistics of each replica's own share, no single process does the same: there the two frameworks'
replicas are held against each other, and the first step's gradients and running statistics against the means of what
one process makes of every share. Where a deep network amplifies rounding beyond 1e-12, the limit is derived from runs
whose first weights were perturbed by it; where it is amplified to the size of faults, the steps are taken at lower
rates, by the factor that is given."""

FAULTS = """\
Each fault was put into the replicas of one framework at a time. It is *caught* when the proof fails, *placed* when it
names that framework and not the other, *named* when it says which fault it is."""

COST = """\
Images a second of training steps by the network's own recipe and batch, all ways in turns within one run. N replicas
have one thread each, and 1 replica is the framework's engine with a single process in it."""

ADDED = """\
What sharing adds to a step: seconds of a step of all replicas less those of one process of one thread that has one
replica's share for itself. It holds the reduction, the engine, and that the replicas share one memory."""

REDUCTION = """\
The mean over the replicas of one float32 tensor alone, median and range: what a step's reduction takes at least."""


def data_parallel_section(merged: MergedRuns) -> str:
    """All of it, for each combination of versions; empty where nothing of it is on record."""
    return "\n\n".join(section for part in merged.parts if (section := _section(part)))


def replicas_summary(part: MergedRuns) -> str:
    """Which networks' replicas are equal in the part's versions, and why others are not; empty without any."""
    if not part.replica_proofs:
        return ""
    failed = [proof for proof in part.replica_proofs if proof_faults(proof)]
    equal = [proof for proof in part.replica_proofs if proof not in failed]
    clauses = [f"{_listed(equal)} equal"] if equal else []
    clauses += [f"**{_listed(failed)} NOT EQUAL**"] if failed else []
    where = f" in {part.where}" if part.label else ""
    lines = [f"Processes that share every batch{where}: {'; '.join(clauses)}."]
    if failed:
        reasons = [f"- {_label(proof)}: {reason}" for proof in failed for reason in proof_faults(proof)]
        lines.append("\n".join(reasons))
    return "\n\n".join(lines)


def _listed(proofs: Sequence[ReplicaProof]) -> str:
    return listed([_label(proof) for proof in proofs]) + (" is" if len(proofs) == 1 else " are")


def _label(proof: ReplicaProof) -> str:
    return f"{code(proof.network)} ({plain(proof.title.partition(': ')[2] or proof.title)})"


def _section(part: MergedRuns) -> str:
    every = [sharing for record in part.replica_speeds if (sharing := sharing_of(record)) is not None]
    parts = [*_proofs(part), *_faults(part), *_costs(every, part.reduction_speeds)]
    title = f"## Data-parallel, {part.where}" if part.label else "## Data-parallel"
    return "\n\n".join([title, *parts]) if parts else ""


def _proofs(part: MergedRuns) -> list[str]:
    labelled = [(network_label(proof.network, ""), proof) for proof in part.replica_proofs]
    proofs = proofs_table(labelled, which="proven of")
    return [PROVEN, proofs] if proofs else []


def _faults(part: MergedRuns) -> list[str]:
    if not part.replica_detections:
        return []
    return ["### Faults of replicas", FAULTS, fault_table(part.replica_detections)]


def _costs(every: Sequence[Sharing], reductions: Sequence[ReductionSpeed]) -> list[str]:
    parts = ["### What sharing costs", COST, sharing_table(every), ADDED, cost_table(every)] if every else []
    if reductions:
        parts += ["### The reduction alone", REDUCTION, reduction_table(reductions)]
    links = {name: link for name in TITLES if (link := _link(name, reductions)) is not None}
    on_paper = [(own, links[own.record.framework]) for own in every if own.record.framework in links]
    if on_paper:
        parts += ["### More replicas, on paper", _assumptions(links), projection_table(on_paper, PROJECTED)]
    return parts


def _link(framework: str, reductions: Sequence[ReductionSpeed]) -> Link | None:
    return link_of([record for record in reductions if record.framework == framework])


def _assumptions(links: dict[str, Link]) -> str:
    found = [
        f"{framework_title(name)} {figures(1000 * link.latency)} ms a message and {_rate(link)}"
        for name, link in links.items()
    ]
    counts = listed([count_text(count) for count in PROJECTED])
    assumed = [
        "gradients go round a ring: 2 (N - 1) messages, of an Nth of them each",
        f"a message takes what the reductions above say of processes of one machine: {'; '.join(found)} (a network of "
        "10 Gbit/s moves 1.25 GB/s)",
        "no message is on its way while the backward pass computes",
        "all replicas are equally fast, and none waits for its data",
        "each replica keeps its share, so that the batch grows with their number; how such batches train is not shown",
    ]
    text = (
        f"A projection to {counts} replicas, **not a measurement**: images a second of all, and in brackets the part "
        "that this is of as many processes that share nothing. To a step on one share it adds what sharing was "
        "measured to add, and what a longer ring takes more. Assumed:"
    )
    return "\n\n".join([text, "\n".join(f"- {line}" for line in assumed)])


def _rate(link: Link) -> str:
    return f"{figures(link.bandwidth / 1e9)} GB/s" if is_number(link.bandwidth) else "no time for its content"
