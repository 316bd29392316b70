"""`parity compare` as a user meets it: real processes, exit codes, files."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest

from parity.cli.migration_output import MOST
from parity.records.migrations import Migration
from tests.command_line import parity

FIRST, SECOND = "tests.migration.keras_models:small()", "tests.migration.paddle_models:small()"

SHAPE = ("--input", "16,16,3", "--dataset", "generated")


def test_equal_models_end_with_0_and_say_what_was_compared() -> None:
    done = parity("compare", FIRST, SECOND, *SHAPE)
    assert "equal: tests.migration.keras_models:small() / tests.migration.paddle_models:small()" in done.stdout
    assert "10 arrays" in done.stdout  # two of the convolution, four of the batch norm, four of the dense layers
    assert "for 0 of 200 inputs another output is the largest" in done.stdout


def test_different_models_end_with_1_and_a_patch_that_fixes_them(tmp_path: Path) -> None:
    second = "tests.migration.paddle_models:small(epsilon=1e-3, padding=1)"
    done = parity("compare", FIRST, second, *SHAPE, "--json", code=1)
    migration = Migration.from_dict(json.loads(done.stdout))
    assert [cause.trap for cause in migration.causes] == ["same-pad", "bn-epsilon"]

    # the printed code is what --apply-fixes runs, and it works in a user's own module
    (tmp_path / "fixed.py").write_text(
        f"import tests.migration.paddle_models\n{migration.fix}\n\ndef small():\n"
        "    model = tests.migration.paddle_models.small(epsilon=1e-3, padding=1)\n    fix(model)\n    return model\n"
    )
    fixed = parity("compare", FIRST, "fixed:small()", *SHAPE, "--no-impact", cwd=tmp_path)
    assert "equal: " in fixed.stdout
    assert (migration.verdict, migration.fixed_verdict) == ("different", "equal")
    # the exit code is that of the models as they are
    applied = parity("compare", FIRST, second, *SHAPE, "--no-impact", "--apply-fixes", code=1)
    assert applied.stdout.index("different: ") < applied.stdout.index("cause (same-pad, 1 place)")
    assert "in bn: nn.BatchNorm2D(8, epsilon=1e-05)" in applied.stdout
    assert "def fix(model):" in applied.stdout
    assert applied.stdout.rstrip().endswith("with these changes: equal")


def test_the_tensorflow_model_can_be_the_one_that_changes(tmp_path: Path) -> None:
    first = "tests.migration.keras_models:small(epsilon=1e-3)"
    done = parity("compare", first, SECOND, *SHAPE, "--no-impact", "--json", "--fix", "tensorflow", code=1)
    migration = Migration.from_dict(json.loads(done.stdout))
    assert migration.fix_framework == "tensorflow"
    assert (migration.verdict, migration.fixed_verdict) == ("different", "equal")
    assert len(migration.changes) == 1
    assert migration.changes[0].startswith("in norm: layers.BatchNormalization(")
    assert "epsilon=1e-05" in migration.changes[0]
    (tmp_path / "fixed.py").write_text(
        f"import tests.migration.keras_models\n{migration.fix}\n\ndef small():\n"
        "    model = tests.migration.keras_models.small(epsilon=1e-3)\n    fix(model)\n    return model\n"
    )
    assert "equal: " in parity("compare", "fixed:small()", SECOND, *SHAPE, "--no-impact", cwd=tmp_path).stdout


def test_a_written_map_can_be_read_again_and_edited(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    parity("compare", FIRST, SECOND, *SHAPE, "--write-map", path)
    layers = tomllib.loads(path.read_text())["layers"]
    assert layers == {"first": "conv", "norm": "bn", "hidden": "fc.0", "logits": "fc.3"}
    parity("compare", FIRST, SECOND, *SHAPE, "--map", path, "--no-impact")

    path.write_text('[layers]\n"hidden" = "fc.3"\n')
    done = parity("compare", FIRST, SECOND, *SHAPE, "--map", path, code=2)
    assert "'hidden'" in done.stderr
    assert "different shapes" in done.stderr
    path.write_text('[layers]\n"hiden" = "fc.0"\n')
    assert (
        "names 'hiden', which the first model does not have"
        in parity("compare", FIRST, SECOND, *SHAPE, "--map", path, code=2).stderr
    )


def test_the_verdict_is_printed_before_what_follows_from_it() -> None:
    second = "tests.migration.paddle_models:small(epsilon=1e-3, padding=1)"
    lines = parity("compare", FIRST, second, *SHAPE, code=1).stdout.splitlines()
    verdict = next(number for number, line in enumerate(lines) if line.startswith("different: "))
    assert lines[verdict].endswith("sets of inputs")
    following = "\n".join(lines[verdict:])
    assert following.count("cause (") == 2
    assert "decision impact: " in following
    assert not any(line.startswith(("cause", "decision")) for line in lines[:verdict])


def test_long_lists_are_cut_unless_all_is_asked_for() -> None:
    names = ["mish", "selu", "softsign", "celu", "hard_tanh", "log_sigmoid", "softplus"]  # Paddle has the last first
    first = f"tests.migration.keras_models:bends({' '.join(names)!r})"
    second = "tests.migration.paddle_models:bends()"
    short, whole = (
        parity("compare", first, second, "--input", "6,6,2", "--no-impact", *more, code=1).stdout
        for more in ((), ("--verbose",))
    )
    assert whole.count("cause (act-other, 1 place)") == len(names)
    assert "more: --verbose" not in whole
    assert short.count("cause (act-other, 1 place)") == MOST["cause"]
    assert f"... and {len(names) - MOST['cause']} more: --verbose shows all" in short


def test_a_map_that_values_contradict_is_refused_at_its_line(tmp_path: Path) -> None:
    pair = ("tests.migration.keras_models:bends()", "tests.migration.paddle_models:bends()", "--input", "6,6,2")
    path = tmp_path / "map.toml"
    parity("compare", *pair, "--write-map", path)
    layers = tomllib.loads(path.read_text())["layers"]
    (one, other), (another, last) = list(layers.items())[1:3]  # of one shape
    path.write_text(f'[layers]\n"{one}" = "{last}"\n"{another}" = "{other}"\n')
    done = parity("compare", *pair, "--map", path, code=2)
    assert "together, and values contradict it: those of" in done.stderr
    assert repr(one) in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("no.such.module:model()", SECOND, *SHAPE), "'no.such.module:model()' cannot be imported"),
        ((SECOND, FIRST, *SHAPE), "exchange them if they were given the other way round"),
        (("keras.applications", SECOND, *SHAPE), "expected package.module:callable"),
        ((f"{FIRST[:-2]}(epsilon=x)", SECOND, *SHAPE), "arguments that are plain values"),
        ((FIRST, SECOND, "--input", "16x16x3"), "expected whole numbers above 0 with commas"),
        ((FIRST, SECOND, "--input", "a=16", "--input", "a=3"), "the name is given 2 times"),
        ((FIRST, SECOND, "--input", "a=16:int:9", "--input", "b=3"), "does not take --input a=16:int:9 --input b=3"),
        ((FIRST, "model.pdparams", *SHAPE), "Paddle saves weights"),
        ((FIRST, SECOND, *SHAPE, "--training", "--dtype", "float32"), "expected dtype float64"),
        ((FIRST, SECOND), "--input: found none"),
        ((FIRST, SECOND, *SHAPE, "--inputs", "nowhere.npz"), "--inputs nowhere.npz: no such file"),
        ((FIRST, SECOND, "--inputs", "tests.migration.own_inputs:nothing"), "has no attribute 'nothing'"),
        ((FIRST, SECOND, *SHAPE, "--map", "nowhere.toml"), "nowhere.toml: expected a TOML file"),
        ((FIRST, SECOND, *SHAPE, "--paddle-weights", "nowhere.pdparams"), "nowhere.pdparams: no such file"),
        ((FIRST, "tests.migration.paddle_models:words()", *SHAPE), "does not run on --input 16,16,3"),
    ],
)
def test_what_cannot_be_compared_ends_with_2_and_writes_nothing(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    report = tmp_path / "report.md"
    done = parity("compare", *arguments, "-o", report, code=2)
    assert says in done.stderr.replace("\n", " ")
    assert not list(tmp_path.iterdir())
    assert done.stdout == ""


def test_own_inputs_say_the_form_and_own_weights_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", np.random.default_rng(0).normal(size=(30, 16, 16, 3)))
    report = tmp_path / "report.md"
    options = ("--inputs", "mine.npz", "--weights", "own", "--no-impact", "-o", report)
    done = parity("compare", FIRST, SECOND, *options, code=1, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert any(line.startswith("different with own weights: ") for line in lines)
    assert any(line.startswith("weights: 7 arrays with the same bits, 3 other: ") for line in lines), done.stdout
    assert any("outputs with own weights: 30 inputs (your inputs (mine.npz))" in line for line in lines)
    assert "## Own weights" in report.read_text()


def test_a_report_is_written(tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    parity("compare", FIRST, "tests.migration.paddle_models:small(padding=1)", *SHAPE, "-o", report, code=1)
    text = report.read_text()
    assert "same-pad" in text
    assert list((tmp_path / "report_files").iterdir())
