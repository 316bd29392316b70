"""The command line as a user meets it: real processes, their output, their exit codes, their files."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
from typer.testing import CliRunner

from parity.catalogue.networks import NETWORKS
from parity.cli import doctor
from parity.cli.console import stdout
from parity.cli.main import app
from parity.cli.proof_output import print_proof
from parity.cli.training_output import same
from parity.records.accuracy_records import CrossEvaluation, Equivalence
from parity.records.environment import Environment
from parity.records.levels import LEVELS
from parity.records.records import Proof
from parity.records.saved_run import load_run
from parity.records.validation import validated
from parity.workers.client import Client
from parity.workers.errors import WorkerError
from parity.workers.reply import Reply
from tests.command_line import ROOT, parity, training_of

NO_TENSORFLOW = {"PARITY_TENSORFLOW_PYTHON": "/nonexistent"}

TRAIN = ("train", "lenet5", "--dataset", "generated")

SHARED = ("--replicas", "2")


def test_networks_are_listed_with_their_numbers() -> None:
    lines = parity("networks").stdout.splitlines()
    rows = {line.split()[0]: line for line in lines if line}
    assert set(NETWORKS) <= set(rows)
    assert "15,264,074" in rows["vgg16"]
    assert "89.11 %" in rows["vgg16"]
    assert all(line == line.rstrip() for line in lines)

    listed = json.loads(parity("networks", "--json").stdout)["networks"]
    assert {entry["name"]: entry["flops"] for entry in listed} == {n: e.flops for n, e in NETWORKS.items()}


def test_version_is_printed() -> None:
    assert parity("--version").stdout.startswith("parity 0.")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("check", "resnet81"), "Did you mean 'resnet18'?"),
        (("train", "lenet"), "Did you mean 'lenet5'?"),
        (("check", "lenet5", "--dataset", "/nonexistent"), "neither a known name nor an existing path"),
        ((*TRAIN, "--epochs", "0"), "--epochs"),
        ((*TRAIN, "--framework", "torch"), "expected both, or one of paddle, tensorflow"),
        ((*TRAIN, "--limit", "50"), "batch of 100 images of its recipe is larger than the 50 training images"),
        ((*TRAIN, "--batch", "6000"), "batch of 6000 images asked for is larger than the 5000 training images"),
        ((*TRAIN, "--out", ROOT / "pyproject.toml"), "expected a directory that can be written to, found: a file"),
        ((*TRAIN, "--recipe", "vgg"), "no recipe named 'vgg'; there are: paddle_vgg"),
        ((*TRAIN, "--seeds", "0"), "--seeds"),
        (
            ("train", "vgg16_imagenet", "--no-batch-norm", "--dataset", "generated", "--limit", "50"),
            "holds 32x32 images of 10 classes: training vgg16_imagenet-10c-32px, the variant for them",
        ),
        ((*TRAIN, "--framework", "paddle", "--precision", "bfloat16"), "has no bfloat16 kernels on this device"),
        ((*TRAIN, "--precision", "bfloat16"), "--framework tensorflow trains in it alone"),
        ((*TRAIN, "--framework", "tensorflow", "--precision", "tf32"), "has no TF32 products on this device (cpu)"),
        ((*TRAIN, "--seeds", "8", "--seed-batch", "2"), "--seed-batch 2: expected --until-decided with it, found none"),
        ((*TRAIN, "--mode", "xla"), "--mode xla: expected auto, or a mode of every framework that trains"),
        ((*TRAIN, "--replicas", "99999"), "a core for each, found 99999"),
        ((*TRAIN, "--sync-batch-norm"), "--sync-batch-norm: expected --replicas 2 or more"),
        ((*TRAIN, *SHARED, "--batch", "31"), "takes the same share, found 31"),
        ((*TRAIN, *SHARED, "--batch", "1"), "takes the same share, found 1:"),
        ((*TRAIN, *SHARED, "--device", "gpu"), "--replicas: expected --device cpu, found gpu"),
        ((*TRAIN, *SHARED, "--precision", "tf32"), "--replicas: expected a precision of the CPU, found tf32"),
        ((*TRAIN, *SHARED, "--cluster", "local"), "--replicas: expected no --cluster"),
        ((*TRAIN, *SHARED, "--framework", "paddle", "--mode", "to_static"), "expected --mode auto, found to_static"),
        (("report", ROOT / "pyproject.toml"), "cannot be read as a saved run"),
        (("report", "-o", ROOT), "found a directory"),
        (("traps", "--no-faults", "--seeds", "0"), "expected faults or control runs to check, found neither"),
        (("traps", "--replicas", "2", "--seeds", "5"), "--replicas: expected all faults of networks, found"),
        (("traps", "--replicas", "2", "--sites", "1"), "--replicas: expected all faults of networks, found"),
        (("traps", "--training"), "--sites: expected --pair with them, found none"),
        ((*TRAIN, *SHARED, "--threads", "9999"), "--threads: expected"),
        (("traps", "--save", ROOT / "pyproject.toml" / "run.json"), "to be a directory to write to, found a file"),
    ],
)
def test_wrong_usage_is_one_clear_message(arguments: tuple[str | Path, ...], says: str) -> None:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 2
    assert says in " ".join(done.output.split())


@pytest.mark.parametrize(("framework", "title"), [("paddle", "Paddle"), ("tensorflow", "TensorFlow")])
def test_a_gpu_for_one_side_that_is_not_there_is_one_clear_message(
    monkeypatch: pytest.MonkeyPatch, framework: str, title: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = CliRunner().invoke(app, ["check", "lenet5", "--dataset", "generated", "--device", f"{framework}-gpu"])
    assert done.exit_code == 2
    assert f"{title} sees no GPU" in " ".join(done.output.split())


def test_wrong_usage_keeps_standard_output_clean() -> None:
    done = parity("check", "lenet", "--json", code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("parity: no network named 'lenet'")


def test_data_that_is_not_where_it_should_be_is_one_clear_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PARITY_DATA", str(tmp_path / "nowhere"))
    for arguments in (["check", "lenet5"], ["train", "lenet5"]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2
        assert "PARITY_DATA" in done.output
        assert "Correct the path" in done.output


def test_report_without_any_saved_run_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report"])
    assert done.exit_code == 2
    assert "pytest parity/ --benchmark-save" in done.output


def test_check_proves_counts_and_saves(tmp_path: Path) -> None:
    saved = tmp_path / "check.json"
    done = parity("check", "lenet5", "--dataset", "generated", "--json", "--save", saved)
    printed = json.loads(done.stdout)
    lenet5 = printed["networks"]["lenet5"]
    assert lenet5["equal"]
    assert [proof["level"] for proof in lenet5["proofs"]] == list(LEVELS)
    assert all(proof["compared"] and all(proof["compared"].values()) for proof in lenet5["proofs"])
    assert set(printed["environment"]["frameworks"]) == {"paddle", "tensorflow"}
    for facts in printed["environment"]["frameworks"].values():
        assert facts["precision"]["verdict"] == "float32"
    assert printed["environment"]["command"] == f"parity check lenet5 --dataset generated --json --save {saved}"
    run = load_run(saved)
    assert json.loads(saved.read_text())["machine_info"]["parity"] == printed["environment"]
    assert run.environment == validated(printed["environment"], Environment)
    assert [record.as_dict() for record, _ in run.entries] == lenet5["proofs"]
    assert f"lenet5: EQUAL on all {len(LEVELS)} levels" in done.stderr


def test_a_twin_that_differs_is_reported_with_its_level(tmp_path: Path) -> None:
    """A Python for one framework in which LeNet-5 has lost the ReLU after its first fully connected layer."""
    (tmp_path / "sitecustomize.py").write_text(
        "from dataclasses import replace\n"
        "from parity.catalogue import networks\n"
        "entry = networks.NETWORKS['lenet5']\n"
        "hidden = (replace(entry.design.hidden[0], relu=False), entry.design.hidden[1])\n"
        "networks.NETWORKS['lenet5'] = replace(entry, design=replace(entry.design, hidden=hidden))\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}:$PYTHONPATH" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    arguments = ("check", "lenet5", "--dataset", "generated")
    done = parity(*arguments, code=1, extra={"PARITY_TENSORFLOW_PYTHON": str(python)})
    assert "lenet5: DIFFERENT from level 1 on" in done.stdout
    assert "2 float64 forward" in done.stdout


def test_a_missing_framework_is_named_with_what_to_do() -> None:
    done = parity("check", "lenet5", "--dataset", "generated", code=2, extra=NO_TENSORFLOW)
    assert "TensorFlow" in done.stderr
    assert "correct or unset $PARITY_TENSORFLOW_PYTHON" in done.stderr
    assert "parity doctor" in done.stderr


def test_doctor_names_both_frameworks_when_neither_starts() -> None:
    nothing = {"PARITY_PADDLE_PYTHON": "/nonexistent", **NO_TENSORFLOW}
    printed = json.loads(parity("doctor", "--json", code=2, extra=nothing).stdout)
    assert not printed["usable"]
    findings = {finding["what"]: finding for finding in printed["findings"]}
    for title, package in (("PaddlePaddle", "paddlepaddle"), ("TensorFlow", "tensorflow")):
        assert findings[title]["severity"] == "problem"
        assert f"pip install '{package}" in findings[title]["advice"]
    assert findings["$PARITY_TENSORFLOW_PYTHON"]["detail"] == "/nonexistent"


def test_an_interpreter_without_the_suite_s_own_needs_is_reported_without_frames(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')  # -S: no installed packages, so no numpy
    python.chmod(0o755)
    bare = {"PARITY_PADDLE_PYTHON": str(python), "PARITY_TENSORFLOW_PYTHON": str(python)}
    done = parity("check", "lenet5", "--dataset", "generated", code=2, extra=bare)
    assert done.stderr.count(f"{sys.executable} lacks numpy, ") == 2
    assert "File " not in done.stderr


def test_doctor_finds_everything_needed(tmp_path: Path) -> None:
    done = parity("doctor", "--threads", "1", extra={"XDG_CACHE_HOME": str(tmp_path)})
    assert "everything needed is there" in done.stdout
    for what in (
        "PaddlePaddle, trial",
        "TensorFlow, trial",
        "1, as asked for",
        "float32",
        "--dataset generated",
        "memory",
        "disk",
    ):
        assert what in done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The output directory of short trainings with two seeds, and what the command printed."""
    out = tmp_path_factory.mktemp("train") / "new"
    arguments = ("--limit", "400", "--epochs", "1", "--seed", "3", "--seeds", "2", "--threads", "1")
    return out, parity(*TRAIN, *arguments, "--out", out)


def test_train_compares_both_frameworks(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """Seed by seed, the frameworks in turn; then the accuracies, and the weights in the other framework."""
    _, done = trained
    assert "batches identical (the whole first epoch): yes" in done.stdout
    assert "initial weights identical: yes" in done.stdout
    epochs = [line.partition(":")[0] for line in done.stderr.splitlines() if "epoch" in line]
    assert epochs == [f"{title}, seed {seed}, epoch 1/1" for seed in (3, 4) for title in ("PaddlePaddle", "TensorFlow")]
    rows = [line.split()[:3] for line in done.stdout.splitlines() if " 1/1 " in line]
    assert rows == [[title, seed, "1/1"] for seed in ("3", "4") for title in ("PaddlePaddle", "TensorFlow")]
    assert "test accuracy over 2 seeds: " in done.stdout
    assert "points, 90% interval" in done.stdout
    assert "margin 0.5" in done.stdout
    for trained_in, evaluated_in in (("PaddlePaddle", "TensorFlow"), ("TensorFlow", "PaddlePaddle")):
        for seed in (3, 4):
            line = f"trained in {trained_in} (seed {seed}), evaluated in {evaluated_in}: 0 of 400 predictions differ"
            assert line in done.stdout


def test_train_saves_records_and_weights(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = trained
    stems = {(name, seed): f"lenet5-{name}-seed{seed}" for name in ("paddle", "tensorflow") for seed in (3, 4)}
    records = {key: training_of(out / f"{stem}.json") for key, stem in stems.items()}
    for seed in (3, 4):
        both = [records[name, seed] for name in ("paddle", "tensorflow")]
        assert len({record.batches_digest for record in both}) == 1
        assert len({record.initial_digest for record in both}) == 1
    assert len({record.configuration for record in records.values()}) == 4
    for (framework, seed), record in records.items():
        assert (record.framework, record.seed) == (framework, seed)
        assert record.finished
        run = load_run(out / f"{stems[framework, seed]}.json")
        assert [stats.median for _, stats in run.entries] == [record.seconds] != [0]
        assert run.environment.dataset is not None
        assert run.environment.dataset.title == "generated 10-class shapes"
        weights = safetensors.numpy.load_file(out / f"{stems[framework, seed]}.safetensors")
        assert sum(array.size for array in weights.values()) == NETWORKS["lenet5"].params
    expected = {f"{stem}{end}" for stem in stems.values() for end in (".json", ".safetensors")}
    assert {path.name for path in out.iterdir() if path.suffix != ".lock"} == {*expected, "lenet5-outcome.json"}


def test_train_saves_the_comparison(trained: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    out, _ = trained
    equivalence, *crosses = (record for record, _ in load_run(out / "lenet5-outcome.json").entries)
    assert isinstance(equivalence, Equivalence)
    assert equivalence.seeds == [3, 4]
    assert list(equivalence.accuracies) == ["paddle", "tensorflow"]
    assert len(crosses) == 4
    for cross in crosses:
        assert isinstance(cross, CrossEvaluation)
        assert cross.passed
        assert cross.images == 400
        record = training_of(out / f"lenet5-{cross.trained_in}-seed{cross.seed}.json")
        assert cross.accuracy_home == pytest.approx(record.epochs[-1].test_accuracy)


def test_report_is_written_from_what_train_saved(
    trained: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = trained
    target = tmp_path / "found.md"
    assert parity("report", *sorted(out.glob("*.json")), "-o", target).stdout.strip() == str(target)
    assert "lenet5" in target.read_text()

    storage = tmp_path / ".benchmarks" / "machine"
    storage.mkdir(parents=True)
    (storage / "0001_old.json").write_text("not the newest")
    os.utime(storage / "0001_old.json", (1, 1))
    (storage / "0002_new.json").write_bytes((out / "lenet5-paddle-seed3.json").read_bytes())
    assert parity("report", cwd=tmp_path).stdout.strip() == "parity-report.md"
    assert (tmp_path / "parity-report.md").is_file()


class FakeWorkers(dict[str, Any]):
    """Stands in for Workers: each framework's answer to `environment`, or the error that it raises."""

    def map(self, job: Any) -> dict[str, Any]:
        return {name: job(worker) for name, worker in self.items()}


class FakeWorker(Client):
    threads = 2
    variables: Mapping[str, str] = {"SPEED": "full"}

    def __init__(self, framework: str, answer: dict[str, Any] | WorkerError) -> None:
        self.framework, self.answer = framework, answer

    def call(self, verb: str, **arguments: Any) -> Reply:
        if isinstance(self.answer, WorkerError):
            raise self.answer
        return Reply(self.answer)


def examined(paddle: Any, tensorflow: Any) -> dict[str, doctor.Finding]:
    both = FakeWorkers(paddle=FakeWorker("paddle", paddle), tensorflow=FakeWorker("tensorflow", tensorflow))
    return {finding.what: finding for finding in doctor.examine_machine(both)}  # type: ignore[arg-type]


def facts(gpus: int = 0, threads: int = 2, verdict: str = "float32") -> dict[str, Any]:
    versions = {"version": "1", "python": "3.11.7", "packages": {"numpy": "2"}, "lacks": []}
    device = {"device": "cpu", "device_name": "x86_64", "gpus": gpus, "threads": threads}
    return versions | device | {"precision": {"matmul_error": 0.0, "conv_error": 0.0, "verdict": verdict}}


def test_doctor_warns_of_unlike_threads_precisions_and_gpus() -> None:
    findings = examined(facts(threads=1), facts(gpus=1, verdict="reduced precision"))
    assert findings["PaddlePaddle, variables"].detail == "SPEED=full"
    assert findings["PaddlePaddle, threads"].severity == "warning"
    assert findings["TensorFlow, threads"].severity == "ok"
    assert findings["precision (probed)"].severity == "problem"
    assert "PaddlePaddle sees none" in findings["GPU"].detail


def test_doctor_says_how_to_install_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PARITY_PADDLE_PYTHON", raising=False)
    findings = examined(WorkerError("paddle", None, "start", "missing", "not installed for python"), facts())
    assert findings["PaddlePaddle"].severity == "problem"
    assert findings["PaddlePaddle"].advice.startswith("pip install 'paddlepaddle>=2.6.2'")
    assert findings["TensorFlow"].severity == "ok"


def test_doctor_shows_a_data_variable_that_points_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARITY_DATA", str(tmp_path / "nowhere"))
    assert examined(facts(), facts())["CIFAR-10"].severity == "problem"


@pytest.mark.parametrize(
    ("traps", "faults", "seeds"),
    [
        (("flatten-order", "relu-missing"), 4, 0),
        pytest.param(("flatten-order", "eval-dropped", "start-weights"), 8, 1, marks=pytest.mark.slow),
    ],
)
def test_traps_are_put_in_named_saved_and_reported(
    traps: tuple[str, ...], faults: int, seeds: int, tmp_path: Path
) -> None:
    saved = tmp_path / "traps.json"
    chosen = [word for trap in traps for word in ("--trap", trap)] + ["--seeds", str(seeds)]
    done = parity("traps", "--network", "lenet5", "--dataset", "generated", *chosen, "--json", "--save", saved)
    printed = json.loads(done.stdout)
    assert len(printed["detections"]) == faults
    assert all(
        detection["level"] and detection["located"] and detection["named"] for detection in printed["detections"]
    )
    assert [detection["false_alarms"] for detection in printed["correct"]] == [[]] * seeds
    assert f"caught: {faults} of {faults} (100.0%)" in done.stderr
    assert ("control runs: 1, false alarms: 0" in done.stderr) == (seeds == 1)
    parity("report", saved, "-o", tmp_path / "report.md")
    assert f"Of {faults} faults in `lenet5`: {faults} (100.0%) caught" in (tmp_path / "report.md").read_text()


def test_a_trap_that_is_not_known_is_refused_with_those_that_are() -> None:
    done = parity("traps", "--trap", "eval-droped", code=2)
    assert "eval-droped" in done.stderr
    assert "eval-dropped" in done.stderr


def test_a_trap_that_no_layer_of_the_network_has_shows_nothing() -> None:
    arguments = ("--network", "lenet5", "--dataset", "generated", "--trap", "bn-epsilon", "--seeds", "0")
    done = parity("traps", *arguments, code=2)
    assert "no fault of bn-epsilon can be put into lenet5" in done.stdout


@pytest.mark.slow
def test_control_runs_alone_are_checked_and_reported(tmp_path: Path) -> None:
    saved = tmp_path / "correct.json"
    arguments = ("--network", "lenet5", "--dataset", "generated", "--no-faults", "--seeds", "2", "--save", saved)
    lines = parity("traps", *arguments).stdout.splitlines()
    assert lines[1:] == ["control runs: 2, false alarms: 0"]
    parity("report", saved, "-o", tmp_path / "report.md")
    assert "## Detection power" in (tmp_path / "report.md").read_text()


def test_one_framework_alone_is_not_called_identical() -> None:
    assert same({"paddle": "a"}) == "unknown"
    assert same({"paddle": "a", "tensorflow": ""}) == "unknown"
    assert same({"paddle": "a", "tensorflow": "a"}) == "yes"
    assert same({"paddle": "a", "tensorflow": "b"}) == "NO"


def test_no_control_character_of_a_stage_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    proof = Proof("lenet5", 2, "float64 forward", True, "images", {"stages": 1}, 0.0, 1e-12, worst="c\x1b[31m\x07d")
    print_proof(stdout(), proof)
    assert r"at c\x1b[31m\x07d" in capsys.readouterr().out
