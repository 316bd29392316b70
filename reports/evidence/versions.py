"""With which versions of the frameworks, and on which devices, saved runs computed: what they show holds for these."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from parity.records.environment import Environment, FrameworkFacts
from parity.records.saved_run import SavedRun
from reports.formatting import TITLES, framework_order, framework_title, listed, plain


@dataclass(frozen=True)
class Setting:
    """One framework of a run; None is what the run does not say."""

    version: str | None = None
    device: str | None = None  # "cpu" or "gpu"
    keras: str | None = None  # which comes on its own, with the layers that TensorFlow's models are made of


@dataclass(frozen=True)
class Shown:
    """What is named beside the versions: without it a name would hide something."""

    devices: bool = False
    keras: frozenset[str] = frozenset()  # the frameworks whose Keras is


@dataclass(frozen=True)
class Versions:
    """The settings of all frameworks of a run, in the report's order of frameworks."""

    settings: tuple[tuple[str, Setting], ...] = ()

    def of(self, framework: str) -> Setting:
        """One framework's; empty where the run does not name it."""
        return dict(self.settings).get(framework, Setting())

    def agrees(self, other: Versions) -> bool:
        """Whether this one names a framework, and the other has every one that it names in the same setting."""
        return bool(self.settings) and set(self.settings) <= set(other.settings)

    def names(self, shown: Shown) -> list[str]:
        """`PaddlePaddle 3.3.1`, with what else is to be shown behind it; plain text."""
        titles = []
        for framework in TITLES:
            own = self.of(framework)
            keras = f"Keras {own.keras}" if own.keras else "Keras not recorded"
            device = own.device.upper() if own.device else "device not recorded"
            more = [*([keras] if framework in shown.keras else []), *([device] if shown.devices else [])]
            behind = f" ({', '.join(more)})" if more else ""
            titles.append(f"{framework_title(framework)} {own.version or '(version not recorded)'}{behind}")
        return titles

    @property
    def order(self) -> list[Any]:
        """Sort key: older versions first, framework by framework; what is not recorded comes first."""
        settings = [self.of(framework) for framework in TITLES]
        numbers = [
            [int(number) for number in re.findall(r"\d+", version or "")]
            for setting in settings
            for version in (setting.version, setting.keras)
        ]
        return [*numbers, [(setting.version or "", setting.device or "", setting.keras or "") for setting in settings]]


def versions_of(environment: Environment) -> Versions:
    """What a run's environment says; a framework that gave no answer is there without a version."""
    frameworks = environment.frameworks
    settings = [(name, _setting(frameworks[name])) for name in sorted(frameworks, key=framework_order)]
    return Versions(tuple(settings))


def _setting(facts: FrameworkFacts) -> Setting:
    return Setting(facts.version or None, facts.device or None, facts.keras or None)


def by_versions(runs: Sequence[SavedRun]) -> list[tuple[Versions, list[SavedRun]]]:
    """The runs of each combination of versions and devices, older versions first; runs in the order given.

    A run of one framework alone, such as a training, does not record the other: it belongs to every combination that
    has its framework in its setting, or, where there is none, to those with whatever was used of the other one. A run
    that names no framework at all is kept apart: its versions are not known. One that names no Keras, as older runs do
    not, had the one that the others had with that framework's version, where all of these agree.
    """
    known = _with_their_keras([versions_of(run.environment) for run in runs])
    whole = list(dict.fromkeys(versions for versions in known if not versions.settings or _complete(versions)))
    for own in dict.fromkeys(known):
        if own.settings and not any(own.agrees(other) for other in whole):
            whole += [versions for versions in _completed(own, known) if versions not in whole]
    groups = [
        (versions, [run for run, own in zip(runs, known, strict=True) if own == versions or own.agrees(versions)])
        for versions in whole
    ]
    return sorted(groups, key=lambda pair: pair[0].order)


def _with_their_keras(known: Sequence[Versions]) -> list[Versions]:
    """The same, with the Keras that is not recorded where all other runs agree on it."""
    used: dict[tuple[str, str | None], set[str]] = {}
    for versions in known:
        for name, setting in versions.settings:
            if setting.keras:
                used.setdefault((name, setting.version), set()).add(setting.keras)

    def completed(name: str, setting: Setting) -> Setting:
        others = used.get((name, setting.version), set())
        return replace(setting, keras=min(others)) if setting.keras is None and len(others) == 1 else setting

    return [Versions(tuple((name, completed(name, own)) for name, own in versions.settings)) for versions in known]


def _complete(versions: Versions) -> bool:
    return set(TITLES) <= {framework for framework, _ in versions.settings}


def _completed(own: Versions, known: Sequence[Versions]) -> Iterator[Versions]:
    """The combination with each setting in which the frameworks that are missing in it were used elsewhere."""
    names = [name for name, _ in own.settings]
    missing = [name for name in TITLES if name not in names]
    used = [
        dict.fromkeys((name, setting) for versions in known for name, setting in versions.settings if name == framework)
        for framework in missing
    ]
    for others in itertools.product(*(settings for settings in used if settings)):
        yield Versions(tuple(sorted((*own.settings, *others), key=lambda pair: framework_order(pair[0]))))


def to_be_shown(every: Sequence[Versions]) -> Shown:
    """Devices where one is a GPU or a framework has several; Keras where one version of a framework has several."""
    devices, keras = False, set()
    for framework in TITLES:
        settings = {versions.of(framework) for versions in every}
        used = {setting.device for setting in settings}
        devices |= "gpu" in used or len(used) > 1
        if len({(setting.version, setting.keras) for setting in settings}) > len(
            {setting.version for setting in settings}
        ):
            keras.add(framework)
    return Shown(devices, frozenset(keras))


def sentence(versions: Versions, shown: Shown) -> str:
    """`PaddlePaddle 3.3.1 and TensorFlow 2.21.0`, in Markdown."""
    return listed([plain(name) for name in versions.names(shown)])
