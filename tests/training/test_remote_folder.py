"""Stores behind URLs: what a training leaves there, and that it goes on from there."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from parity.data.dataset import Dataset
from parity.training.jobs import Job
from parity.training.remote_folder import RemoteError, RemoteFolder
from parity.training.run import Progress, Settings
from parity.training.store import Store, StoreError, locked, save
from parity.workers.pool import Workers


def names(url: str) -> list[str]:
    system, path = fsspec.core.url_to_fs(url)
    return sorted(entry.rpartition("/")[2] for entry in system.ls(path, detail=False))


@pytest.mark.parametrize("scheme", ["file", "memory"])
def test_files_come_and_go(scheme: str, tmp_path: Path) -> None:
    url = f"{scheme}://{tmp_path}/there"
    local = tmp_path / "here"
    local.mkdir()
    folder = RemoteFolder.open(url, local)
    (local / "a.json").write_text("one")
    folder.push(["a.json", "b.json"])
    assert folder.names() == names(url) == ["a.json"]
    (local / "a.json").write_text("two")
    (local / "b.json").write_text("left over")
    folder.pull(["a.json", "b.json"])
    assert (local / "a.json").read_text() == "one"
    assert not (local / "b.json").exists()
    (local / "a.json").unlink()
    folder.push(["a.json"])
    assert folder.names() == []


def test_a_url_that_no_plugin_knows_and_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for url in ("nothing://bucket/runs", f"file://{tmp_path}/file/runs"):
        with pytest.raises(StoreError, match="expected a folder that can be written to, found: "), Store.opened(url):
            raise AssertionError("it was opened")


def test_a_full_or_vanished_store_is_one_error_and_the_local_file_stays(tmp_path: Path) -> None:
    local = tmp_path / "here"
    local.mkdir()
    folder = RemoteFolder.open(f"file://{tmp_path}/there", local)
    (local / "a.json").write_text("one")
    (tmp_path / "there").rmdir()
    (tmp_path / "there").write_text("no folder any more")
    with pytest.raises(RemoteError, match=r"there/a\.json: it cannot be written: "):
        folder.push(["a.json"])
    assert (local / "a.json").read_text() == "one"


def test_a_training_is_kept_behind_a_url_and_goes_on_from_there(
    workers: Workers, dataset: Dataset, tmp_path: Path
) -> None:
    url, few, settings = f"file://{tmp_path}/runs", dataset.limited(200), Settings(epochs=3)

    def job(store: Store) -> Job:
        return Job(workers["tensorflow"], "lenet5", few, settings, store.files("lenet5", "tensorflow", settings))

    def stop_in_epoch_3(progress: Progress) -> None:
        if progress.epoch == 3:
            raise KeyboardInterrupt

    with Store.opened(url) as store:
        first = job(store)
        assert first.files is not None
        with locked(first.files):
            outcome = first.train(stop_in_epoch_3)
            save(first.files, outcome, {})
    assert outcome.interrupted
    assert names(url) == [
        "lenet5-tensorflow-seed0-partial.json",
        "lenet5-tensorflow-seed0.checkpoint.safetensors",
    ]
    with Store.opened(url) as store:
        second = job(store)
        assert second.files is not None
        with locked(second.files):
            assert second.status().epochs == 2
            finished = second.train(lambda _: None)
            save(second.files, finished, {})
    assert len(finished.record.sessions) == 2
    assert names(url) == ["lenet5-tensorflow-seed0.json", "lenet5-tensorflow-seed0.safetensors"]
    with Store.opened(url) as store:
        third = job(store)
        assert third.files is not None
        with locked(third.files):
            again = third.status().finished
    assert again is not None
    assert again.record.weights_digest == finished.record.weights_digest
