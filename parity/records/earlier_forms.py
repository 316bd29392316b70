"""Records of earlier versions, and of `--json`, in today's form: the one place where an old saved run is converted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from parity.records.levels import RENUMBERED

_TWO_NAMES = re.compile(r"^mini_resnet-nobn(?=-|$)")  # of one network; today it has the catalogue's only

_OLD_RULE = re.compile(r"test_update_rule\[(\w+)\]")

_RENAMED_KINDS = {"innocence": "control run"}  # earlier kind -> kind

_RENAMED_FIELDS = {  # kind -> earlier name of a field -> name
    "control run": {"accusations": "false_alarms"},
    "detection": {"placed": "located", "accused": "false_alarms"},
}

_RENAMED_LAYER_FIELDS = {"evidence": "reason"}

_RENAMED_MEANINGS = {"chaos": "divergence"}  # of a pair of runs of loss curves

_OLD_PERTURBED = " nudged"  # end of the name of a perturbed run of loss curves


def of_today(values: Mapping[str, Any], test: str = "") -> dict[str, Any]:
    """A record as a file holds it, in today's form; one that is in it already comes back as it is.

    Nothing is checked here: what has another form than any version gave it stays as it is, to be refused by
    `parity.records.validation`. Fields that earlier versions did not have yet are those that have a default.

    >>> of_today({"kind": "innocence", "network": "lenet5", "accusations": []})
    {'kind': 'control run', 'network': 'lenet5', 'false_alarms': []}

    Args:
        values: the record's plain JSON values.
        test: the name of the test that saved it, where that is known.

    Returns:
        New values; `values` are not changed.
    """
    today = dict(values)
    if today.get("kind") == "proof" and (old := _OLD_RULE.fullmatch(test)):  # update rules had no kind of their own
        today |= {"kind": "update rule", "rule": old[1]}
    if isinstance(kind := today.get("kind"), str):
        today["kind"] = kind = _RENAMED_KINDS.get(kind, kind)
        today = _with_names(today, _RENAMED_FIELDS.get(kind, {}))
    if "level" in today:
        today["level"] = RENUMBERED.get(f"{today['level']} {today.get('title')}", today["level"])
    if isinstance(network := today.get("network"), str):
        today["network"] = _TWO_NAMES.sub("mini_resnet_nobn", network)
    if today.get("impact") == {}:  # not measured
        today["impact"] = None
    if isinstance(causes := today.get("causes"), list):
        today["causes"] = [_with_numbers(entry) if isinstance(entry, dict) else entry for entry in causes]
    if isinstance(proofs := today.get("proofs"), list):
        today["proofs"] = [of_today(entry) if isinstance(entry, dict) else entry for entry in proofs]
    if isinstance(stages := today.get("stages"), list):
        today["stages"] = [
            _with_names(entry, _RENAMED_LAYER_FIELDS) if isinstance(entry, dict) else entry for entry in stages
        ]
    if isinstance(losses := today.get("losses"), dict):
        today["losses"] = {_perturbed(run): own for run, own in losses.items()}
    if isinstance(pairs := today.get("pairs"), list):
        today["pairs"] = [_of_perturbed_runs(entry) if isinstance(entry, dict) else entry for entry in pairs]
    return today


def _with_names(values: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """The values with today's names of fields, in their order; one that has both names keeps both, to be refused."""
    return {name if (new := renamed.get(name, name)) in values else new: value for name, value in values.items()}


def _with_numbers(cause: Mapping[str, Any]) -> dict[str, Any]:
    """A cause whose gaps are numbers: `--json` writes null for those that are none."""
    return {name: math.nan if value is None and name in ("before", "after") else value for name, value in cause.items()}


def _of_perturbed_runs(pair: Mapping[str, Any]) -> dict[str, Any]:
    """A pair of loss curves with today's names of its runs and of its meaning."""
    today = dict(pair)
    for name in ("one", "other"):
        if isinstance(run := today.get(name), str):
            today[name] = _perturbed(run)
    if isinstance(meaning := today.get("meaning"), str):
        today["meaning"] = _RENAMED_MEANINGS.get(meaning, meaning)
    return today


def _perturbed(run: str) -> str:
    """Today's name of a run of loss curves."""
    return f"{run.removesuffix(_OLD_PERTURBED)} perturbed" if run.endswith(_OLD_PERTURBED) else run
