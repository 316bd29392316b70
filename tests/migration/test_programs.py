"""Saved programs against each other and against code, with drawn weights: each operation of a program is seen."""

import subprocess
import sys
from pathlib import Path

import pytest

from parity.data.dataset import Dataset
from parity.migration.align.recorded_pair import RecordedPair
from parity.migration.compare import compare_pair
from parity.migration.prove.user_inputs import pair_inputs
from parity.migration.specs import MatchError, model_specs
from parity.records.migrations import Migration
from parity.runtime.program import Node, parts_of
from parity.workers.pool import Workers
from tests.command_line import ROOT

SHAPES = {
    "maps": "8,8,3",
    "other": "8,8,3",
    "sequence": "6:int:30",
    "rows": "5",
    "many": "5",
    "noisy": "5",
    "branching": "5",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs that both frameworks save."""
    folder = tmp_path_factory.mktemp("programs")
    for framework in ("keras", "paddle"):
        (folder / framework).mkdir()
        command = [sys.executable, "-m", f"tests.migration.program_{framework}", str(folder / framework)]
        done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr.decode()
    return folder


def compared(
    workers: Workers, dataset: Dataset, targets: tuple[str, str], layers: dict[str, str] | None = None
) -> Migration:
    name = targets[1].rpartition("/")[2].rpartition(":")[2].partition(".")[0].partition("(")[0]
    forms, _ = pair_inputs(SHAPES[name], None, None)
    pair = RecordedPair(workers, model_specs(*targets, forms), dataset, layers=layers or {})
    try:
        return compare_pair(pair, fix=None, impact=False)
    finally:
        pair.forget()


def target(files: Path, framework: str, name: str, *, saved: bool) -> str:
    if not saved:
        return f"tests.migration.program_{framework}:{name}"
    if framework == "keras":
        return str(files / "keras" / name)
    return str(next(path for path in (files / "paddle").glob(f"{name}.*") if path.suffix in (".json", ".pdmodel")))


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("name", ["maps", "sequence"])
def test_programs_are_proven_equal_in_float64_with_every_array_drawn(
    workers: Workers, dataset: Dataset, files: Path, name: str, first: bool, second: bool
) -> None:
    pair = target(files, "keras", name, saved=first), target(files, "paddle", name, saved=second)
    migration = compared(workers, dataset, pair)
    assert migration.verdict == "equal", [proof.problems for proof in migration.proofs]
    assert [proof.level for proof in migration.proofs] == [1, 2, 3]
    assert migration.proofs[0].compared["arrays"] == {"maps": 10, "sequence": 11}[name]
    assert not migration.remarks


@pytest.mark.parametrize("saved", [True, False])
def test_what_differs_in_a_program_is_different(workers: Workers, dataset: Dataset, files: Path, saved: bool) -> None:
    pair = target(files, "keras", "maps", saved=saved), target(files, "paddle", "other", saved=True)
    migration = compared(workers, dataset, pair)
    assert migration.verdict == "different"
    assert "pool" in str(migration.causes[0].text)


def test_variables_of_one_name_all_take_part(workers: Workers, dataset: Dataset, files: Path) -> None:
    pair = target(files, "keras", "rows", saved=True), target(files, "paddle", "rows", saved=False)
    migration = compared(workers, dataset, pair)
    assert (migration.verdict, migration.proofs[0].compared["arrays"]) == ("equal", 2)


def test_few_arrays_of_a_program_that_runs_as_one_operation_are_put_together_by_its_outputs(
    workers: Workers, dataset: Dataset, files: Path
) -> None:
    pair = target(files, "keras", "noisy", saved=True), target(files, "paddle", "rows", saved=True)
    migration = compared(workers, dataset, pair)
    assert (migration.verdict, migration.proofs[0].compared["arrays"]) == ("equal", 2)
    assert any("cannot be run operation by operation" in line for line in migration.remarks)


def test_many_arrays_of_such_a_program_are_undecided_with_what_to_do(
    workers: Workers, dataset: Dataset, files: Path
) -> None:
    pair = target(files, "keras", "many", saved=True), target(files, "paddle", "many", saved=False)
    migration = compared(workers, dataset, pair)
    assert migration.verdict == "undecided"
    problems = "\n".join(line for proof in migration.proofs for line in proof.problems)
    assert "runs as one operation" in problems
    assert "`--weights own`" in problems
    assert any("cannot be run operation by operation" in line for line in migration.remarks)


def test_a_map_names_the_owners_of_a_programs_arrays(workers: Workers, dataset: Dataset, files: Path) -> None:
    pair = target(files, "keras", "maps", saved=True), target(files, "paddle", "maps", saved=False)
    assert compared(workers, dataset, pair, {"conv2d": "first", "dense": "fc"}).verdict == "equal"
    with pytest.raises(MatchError, match="'nothing', which the first model does not have; it has conv2d"):
        compared(workers, dataset, pair, {"nothing": "first"})


def test_a_part_holds_the_operations_on_the_arrays_of_one_owner() -> None:
    def node(inputs: list[int], output: int) -> Node:
        return Node("add", tuple(inputs), (output,), lambda given: given)

    # 0: the input; 1, 2: arrays of a; 3: of b; 4, 5: of c and d, which are mixed
    nodes = [node([1], 10), node([0, 10], 11), node([11, 2], 12), node([12], 13), node([13, 3], 14)]
    nodes += [node([14, 4], 15), node([15, 5], 16), node([16, 4], 17)]
    parts = parts_of(nodes, [0], {1: "a", 2: "a", 3: "b", 4: "c", 5: "d"}, [17])
    assert [(part.owner, len(part.nodes)) for part in parts] == [("", 1), ("a", 2), ("", 1), ("b", 1), ("", 3)]
    assert [(part.given, part.made) for part in parts][1:4] == [([0], [12]), ([12], [13]), ([13], [14])]
