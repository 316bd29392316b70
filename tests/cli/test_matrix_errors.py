"""`parity matrix errors`: the table, the saved run, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from parity.cli.main import app
from parity.records.accuracy_records import SequentialErrors
from parity.records.saved_run import load_run
from parity.records.sequential_errors import NORMAL, SETTINGS, STANDARD_ERRORS, exceeds
from tests.command_line import parity


def test_the_table_marks_what_exceeds_five_percent_and_the_run_holds_it(tmp_path: Path) -> None:
    saved = tmp_path / "errors.json"
    done = parity("matrix", "errors", "--save", saved)
    lines = done.stdout.splitlines()
    marked = [line.split()[0] for line in lines if " !" in line and "±" in line and line[0] != "s"]
    assert marked == ["normal/skewed", "uniform"]
    assert "shares of 10,000 simulated experiments" in lines[-1]
    assert "!: above 5 %" in lines[-1]
    run = load_run(saved)
    records = [record for record, _ in run.entries if isinstance(record, SequentialErrors)]
    assert len(records) == len(run.entries) == 4 * len(SETTINGS)
    assert run.environment.command == f"parity matrix errors --save {saved}"
    assert run.environment.python
    assert not run.environment.frameworks
    names = [benchmark["name"] for benchmark in json.loads(saved.read_text())["benchmarks"]]
    assert names[1] == "sequential errors[normal/normal-0.1/0.1-true_difference0.25-seed1]"
    skewed = next(record for record in records if record.distributions == ("normal", "skewed"))
    share = f"{100 * skewed.different:.2f} ± "
    assert share in next(line for line in lines if line.startswith("normal/skewed"))


def test_the_exit_code_is_that_of_normal_accuracies() -> None:
    """Of one experiment each, some seeds show an error of 100 % by chance, most show none."""
    codes = set()
    for seed in range(0, 640, 32):
        done = CliRunner().invoke(app, ["matrix", "errors", "--matrices", "1", "--seed", str(seed), "--json"])
        shown = json.loads(done.stdout)["settings"]
        records = [
            SequentialErrors.from_dict(
                {name: value for name, value in facts.items() if name not in ("error", "standard_error", "above")}
            )
            for facts in shown
        ]
        assert [facts["error"] for facts in shown] == [record.error for record in records]
        over = any(record.distributions == NORMAL and exceeds(record, STANDARD_ERRORS) for record in records)
        assert done.exit_code == over
        codes.add(done.exit_code)
    assert codes == {0, 1}


def test_the_plan_is_the_one_asked_for(tmp_path: Path) -> None:
    done = parity("matrix", "errors", "--seeds", "9", "--seed-batch", "3", "--matrices", "50", "--json")
    shown = json.loads(done.stdout)["settings"]
    assert {(facts["first"], facts["seed_batch"], facts["most"], facts["matrices"]) for facts in shown} == {
        (4, 3, 9, 50)
    }
    assert "--seeds" in parity("matrix", "errors", "--seeds", "3", code=2).stderr
    nowhere = tmp_path / "file"
    nowhere.touch()
    assert "expected" in parity("matrix", "errors", "--save", nowhere / "errors.json", code=2).stderr
