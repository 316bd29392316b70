"""Names and messages from files and models: escaped and shortened wherever they are shown."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from parity.catalogue.user_models import InputSpec, ModelSpec
from parity.migration.align.found import Alignment, UnitPair
from parity.migration.align.map_file import read_map, write_map
from parity.migration.align.recorded_graph import Unit
from parity.migration.specs import FIRST, SECOND, MatchError
from parity.printable import LONGEST_LINE, LONGEST_NAME, LONGEST_WORD, printable, quoted
from parity.records.accuracy_records import Equivalence
from parity.records.migrations import Migration
from parity.records.saved_run import load_run
from parity.records.validation import RecordError
from parity.weights.files import load_state
from parity.weights.state import StateError
from reports import write_migration_report, write_report
from tests.command_line import ROOT, parity, surroundings
from tests.reports.report_records import CROSS, PROOFS, SPEED, TRAINING, both, loss_curves, save
from tests.reports.test_migration import different

# a cursor that moves, a bell, a title that is set, a C1 control, text turned round, half a surrogate pair, rich's
# markup, Markdown's, a formula of matplotlib's, and length
HOSTILE = "\x1b[2J\a\x1b]0;owned\x07\x9b31m\u202e\ud800\r\x00[red]red[/red]`**$x_{$ |" + "y" * 100_000


def unprintable(text: str) -> set[str]:
    return {
        character
        for character in text
        if character != "\n" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }


def assert_shown_safely(text: str) -> None:
    assert unprintable(text) == set()
    assert max(len(word) for word in text.split() if set(word) - set("|:-")) < 4 * LONGEST_WORD


@given(st.text(st.characters()))
def test_whatever_comes_in_what_is_shown_prints_and_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert unprintable(shown) <= {"\t"}
    assert len(shown.encode()) >= len(shown)
    assert printable(shown) == shown
    assert not unprintable(quoted(text))
    assert "\n" not in quoted(text)


@pytest.mark.parametrize(
    "text",
    ["", "lenet5", "a\nb\tc", "dénivelé 网络 ±0.5 µs “ok” 1\N{NO-BREAK SPACE}s", "C:\\new\\x", "x" * LONGEST_WORD],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_what_is_too_long_keeps_both_ends_and_says_how_much_is_left_out() -> None:
    word = printable("begin" + "x" * 1_000_000 + "end")
    assert word.startswith("beginx")
    assert word.endswith("xend")
    assert "999,708 characters left out" in word
    line = printable("a b " * 1_000_000)
    assert len(line) < LONGEST_LINE
    name = quoted("begin" + "x" * 1_000_000 + "end")
    assert len(name) < 2 * LONGEST_NAME
    assert name.startswith("'beginx")
    assert "xend' (1,000,008 characters)" in name


PROGRAM = """
import sys
from rich.table import Table
from rich.text import Text
from parity.cli import console
from parity.cli.doctor import Finding
from parity.cli.training_display import TrainingDisplay

name = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
for out in (console.stdout(), console.stderr()):
    console.print_message(out, f"layer {name}", "red", indent=3)
    out.print(f"layer {name}", soft_wrap=True)
    out.print(Text(f"layer {name}"))
    console.print_table(out, console.findings_table([Finding("x", "ok", name, name)]))
    table = Table("a")
    table.add_row(name)
    console.print_table(out, table)
TrainingDisplay(["paddle"], 1).note(name)
console.print_json({"name": name})
"""


def output_of(name: str, *, terminal: bool) -> str:
    """What PROGRAM shows of a name, to a terminal or to a pipe."""
    leader, follower = pty.openpty() if terminal else os.pipe()
    variables = surroundings({"NO_COLOR": "1", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"})
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    assert process.stdin is not None
    process.stdin.write(name.encode("utf-8", "surrogatepass"))
    process.stdin.close()
    chunks = []
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(leader)
    text = b"".join(chunks).decode()
    assert process.wait() == 0, text
    return text.replace("\r\n", "\n")


@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_no_name_reaches_the_terminal_as_it_is(terminal: bool) -> None:
    text = output_of(HOSTILE, terminal=terminal)
    for style in ("\x1b[31m", "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[3m"):  # rich's own, if it set any
        text = text.replace(style, "")
    shown, _, as_json = text.partition('{\n  "name"')
    assert unprintable(text) == set()
    assert shown.count("\\x1b[2J") + shown.count("\\x1b[2") >= 8
    assert "[red]red[/red]" in shown.replace("\n", "").replace(" ", "")
    assert len(shown) < 60_000
    if not terminal:
        assert json.loads('{\n  "name"' + as_json)["name"] == HOSTILE


FIXED = (
    *("kind", "framework", "what", "trained_in", "evaluated_in", "one", "other", "meaning", "verdict", "datetime"),
    *("fix_framework", "fixed_verdict"),
)


def spoilt(value: Any, key: str = "") -> Any:
    """A record in which every text that is a name or a message ends in what must not be shown."""
    if isinstance(value, dict):
        return {name: spoilt(element, name) for name, element in value.items()}
    if isinstance(value, list):
        return [spoilt(element, key) for element in value]
    return value + HOSTILE if isinstance(value, str) and key not in FIXED else value


def test_a_report_of_a_saved_run_shows_no_name_as_it_is(tmp_path: Path) -> None:
    accuracies = {"paddle": [0.5, 0.6], "tensorflow": [0.5, 0.6]}
    numbers = (0.1, (-0.2, 0.4), 0.5, 0.95, 0.01, 0.5)
    equivalence = Equivalence("lenet5", "mini", "CIFAR-10", 50_000, 2, [0, 1], accuracies, *numbers, "equivalent")
    failed = replace(PROOFS[1], network="failed", passed=False, problems=["a problem"], worst="fc1")
    records = [
        *PROOFS,
        failed,
        *both(SPEED),
        *both(TRAINING),
        CROSS,
        loss_curves({"float64": None, "float32": 3}),
        equivalence,
    ]
    path = save(tmp_path, records)
    content = json.loads(path.read_text())
    for benchmark in content["benchmarks"]:
        benchmark["extra_info"] = spoilt(benchmark["extra_info"])
    content["machine_info"] = spoilt(content["machine_info"])
    path.write_text(json.dumps(content))
    text = write_report([path], tmp_path / "report.md").read_text()
    assert text.count("\\x1b") > 20
    assert_shown_safely(text)


def test_a_migration_report_shows_no_name_as_it_is(tmp_path: Path) -> None:
    migration = Migration.from_dict(spoilt(different().as_dict()))
    text = write_migration_report(migration, tmp_path / "report.md").read_text()
    assert text.count("\\x1b") > 10
    assert_shown_safely(text)


@pytest.mark.parametrize(
    ("read", "error", "content"),
    [
        (load_run, RecordError, b"[" * 100_000),
        (read_map, MatchError, b"a = " + b"[" * 100_000),
        (load_state, StateError, (200_000).to_bytes(8, "little") + b'{"a":' * 40_000),
    ],
    ids=["saved run", "map", "safetensors"],
)
def test_a_file_that_is_nested_deeply_is_refused(
    tmp_path: Path, read: Callable[[Path], object], error: type[Exception], content: bytes
) -> None:
    path = tmp_path / "deep.file"
    path.write_bytes(content)
    with pytest.raises(error, match=r"deep\.file"):
        read(path)


def test_a_name_begins_no_line_of_its_own_in_a_map(tmp_path: Path) -> None:
    """What is written is read again: names in full, comments as comments."""
    names = ['fc\n[layers2]\n"x', "\x1b[2J\x7f", "plain"]
    graph = SimpleNamespace(units=[Unit(name, "Dense") for name in names])
    specs = {name: ModelSpec("a:b\nc", [InputSpec([2])]) for name in (FIRST, SECOND)}
    pairs = [UnitPair((0,), 0, (), True), UnitPair((1,), 1, (), False)]
    alignment = Alignment(pairs, alone=(["plain\n[odd]"], ["one\nof two"]))
    pair = SimpleNamespace(graphs={FIRST: graph, SECOND: graph}, specs=specs, alignment=alignment)
    write_map(tmp_path / "map.toml", pair)  # type: ignore[arg-type]
    assert read_map(tmp_path / "map.toml") == {name: name for name in names[:2]}


KERAS_NET = r"""
import keras
NAME = "bad\x1b[2J\x07[red]x[b]`$" + "y" * 500
def net():
    x = keras.Input((8, 8, 3))
    y = keras.layers.Conv2D(4, 3, strides=2, padding="same", name=NAME)(x)
    y = keras.layers.BatchNormalization(name=NAME + "n")(y)
    return keras.Model(x, keras.layers.Dense(2, name="out")(keras.layers.Flatten()(y)))
"""

PADDLE_NET = r"""
from paddle import nn
NAME = "bad\x1b[2J\x07[red]x[b]\ud800`$" + "y" * 500
class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.add_sublayer(NAME, nn.Conv2D(3, 4, 3, stride=2, padding=1))
        self.add_sublayer(NAME + "n", nn.BatchNorm2D(4))
        self.out = nn.Linear(64, 2)
    def forward(self, x):
        x = self._sub_layers[NAME + "n"](self._sub_layers[NAME](x))
        return self.out(x.flatten(1))
"""


@pytest.mark.slow
def test_layers_of_any_name_are_compared_and_shown_safely(tmp_path: Path) -> None:
    (tmp_path / "keras_net.py").write_text(KERAS_NET)
    (tmp_path / "paddle_net.py").write_text(PADDLE_NET)
    pair = ("keras_net:net", "paddle_net:Net", "--input", "8,8,3", "--dataset", "generated")
    done = parity("compare", *pair, "-o", "report.md", code=1, cwd=tmp_path)
    report = (tmp_path / "report.md").read_text()
    for text in (done.stdout, done.stderr, report):
        assert unprintable(text) == set()
        assert max(map(len, text.split()), default=0) < 4 * LONGEST_WORD
    assert "\\x1b[2J" in done.stdout
    assert "[red]x[b]" in done.stdout
    assert "\\ud800" in done.stdout
    assert "cause (same-pad" in done.stdout
    assert "cause (bn-epsilon" in done.stdout
    mended = parity("compare", *pair, "--apply-fixes", code=1, cwd=tmp_path).stdout
    assert mended.endswith("with these changes: equal\n")
