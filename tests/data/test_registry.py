"""Finding, downloading and loading data sets by name and by path; here all of them are in small files."""

import hashlib
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from parity.data import registry
from parity.data.cifar import Cifar
from parity.data.dataset import DataError, KnownDataset
from parity.data.names import NAMES as HELP_NAMES

NAMES = ("cifar10", "cifar100", "tiny-imagenet")


def _small(known: KnownDataset) -> KnownDataset:
    """The same data set with 100 records a file where the number of records is fixed."""
    if isinstance(known, Cifar):
        return replace(known, files=tuple(replace(file, records=100) for file in known.files))
    return known


def _write(known: KnownDataset, directory: Path) -> None:
    """Write files that are just right: black images, all of the first class of CIFAR, or one each of two classes."""
    directory.mkdir(parents=True)
    if isinstance(known, Cifar):
        for file in known.files:
            (directory / file.name).write_bytes(bytes(file.records * known.record_bytes))
        (directory / known.class_file).write_text("\n".join(f"class_{n}" for n in range(known.labels[-1][1])))
        return
    wnids = ("n00000002", "n00000001")
    (directory / "wnids.txt").write_text("\n".join(wnids))
    images = [f"val/images/val_{number}.JPEG" for number in range(2)]
    for image in [*images, *(f"train/{wnid}/images/{wnid}_0.JPEG" for wnid in wnids)]:
        (directory / image).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(directory / image, "JPEG")
    (directory / "val/val_annotations.txt").write_text(
        "".join(f"val_{number}.JPEG\t{wnid}\t0\t0\t7\t7\n" for number, wnid in enumerate(wnids))
    )


@pytest.fixture(params=NAMES)
def known(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> KnownDataset:
    """One data set after the other, made small in the table of known ones."""
    small = _small(registry.KNOWN[request.param])
    monkeypatch.setitem(registry.KNOWN, small.name, small)
    return small


@pytest.fixture
def directory(known: KnownDataset, tmp_path: Path) -> Path:
    """The files of `known`."""
    path = tmp_path / "here" / known.directory
    _write(known, path)
    return path


@pytest.fixture
def archive(known: KnownDataset, directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as an archive, declared to be the official one."""
    stem, _, ending = known.archive.partition(".")
    kind = {"zip": "zip", "tar.gz": "gztar"}[ending]
    path = Path(shutil.make_archive(str(tmp_path / "archives" / stem), kind, directory.parent))
    _change(monkeypatch, known, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def _change(monkeypatch: pytest.MonkeyPatch, known: KnownDataset, **facts: Any) -> None:
    monkeypatch.setitem(registry.KNOWN, known.name, replace(registry.KNOWN[known.name], **facts))


@pytest.fixture
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no PARITY_DATA, and a proxy that refuses: a named data set can be had from nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("PARITY_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_the_help_names_every_data_set() -> None:
    assert (*registry.KNOWN, "generated") == HELP_NAMES


def test_a_path_says_itself_which_data_set_it_is(
    known: KnownDataset, directory: Path, archive: Path, tmp_path: Path
) -> None:
    renamed = tmp_path / "renamed"
    renamed.symlink_to(directory)
    other_archive = tmp_path / "some data"
    shutil.copy(archive, other_archive)
    for path, expected in (
        (directory, directory),
        (directory.parent, directory),
        (renamed, renamed),
        (archive, archive),
        (archive.parent, archive),
        (other_archive, other_archive),
    ):
        loaded = registry.load(str(path))
        assert (loaded.name, loaded.source) == (known.name, str(expected))
        assert len(loaded.train_images) == len(loaded.train_labels) > 0
        assert (loaded.title == known.official) == expected.is_file()


def test_unknown_name_lists_what_is_possible() -> None:
    with pytest.raises(DataError, match="'cifar11': neither") as caught:
        registry.load("cifar11")
    assert tuple(registry.KNOWN) == NAMES
    for known in registry.KNOWN.values():
        for part in (repr(known.name), known.directory, known.archive):
            assert part in str(caught.value)
    assert "'generated'" in str(caught.value)


def test_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none of them") as caught:
        registry.load(str(tmp_path))
    for known in registry.KNOWN.values():
        assert known.marker_files[0] in str(caught.value)


def test_a_file_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("readme.txt"))
    with pytest.raises(DataError, match="found none of them"):
        registry.load(str(path))
    path.write_text("not an archive")
    with pytest.raises(DataError, match=r"other\.tar: expected a complete \.zip, \.tar"):
        registry.load(str(path))


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A directory with all data sets."""
    for known in registry.KNOWN.values():
        _write(_small(known), tmp_path / "several" / known.directory)
    return tmp_path / "several"


@pytest.mark.usefixtures("_nothing_around")
def test_each_data_set_is_found_by_name(several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [registry.find(name) for name in NAMES] == [None] * 3
    monkeypatch.setenv("PARITY_DATA", str(several))
    for name in NAMES:
        assert registry.find(name) == several / registry.KNOWN[name].directory
    assert registry.find() == registry.find("cifar10")
    shutil.copytree(several, registry.cache_dir())
    monkeypatch.delenv("PARITY_DATA")
    for name in NAMES:
        assert registry.find(name) == registry.cache_dir() / registry.KNOWN[name].directory


def test_a_path_that_holds_several_data_sets_is_refused(several: Path) -> None:
    with pytest.raises(DataError, match="expected one data set, found CIFAR-10, CIFAR-100, Tiny ImageNet") as caught:
        registry.load(str(several))
    for known in registry.KNOWN.values():
        assert str(several / known.directory) in str(caught.value)


@pytest.mark.usefixtures("_nothing_around")
def test_parity_data_comes_first(
    known: KnownDataset, directory: Path, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(directory, registry.cache_dir() / known.directory)
    for location, expected in ((directory, directory), (directory.parent, directory), (archive, archive)):
        monkeypatch.setenv("PARITY_DATA", str(location))
        assert registry.find(known.name) == expected
        assert registry.load(known.name, download=False).source == str(expected)
    monkeypatch.setenv("PARITY_DATA", str(tmp_path / "wrong"))
    for look in (registry.find, registry.load):
        with pytest.raises(DataError, match=r"environment variable PARITY_DATA.*; found no such file"):
            look(known.name)


@pytest.mark.usefixtures("_nothing_around")
def test_parity_data_with_another_data_set_is_refused(
    known: KnownDataset, directory: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [other for other in registry.KNOWN.values() if other.name != known.name]
    assert len(others) == 2
    for location in (directory, archive):
        monkeypatch.setenv("PARITY_DATA", str(location))
        for other in others:
            with pytest.raises(
                DataError, match=f"expected {other.title} .*; found {known.title}\\. .* `--dataset {known.name}`"
            ):
                registry.load(other.name)


@pytest.mark.usefixtures("_nothing_around")
@pytest.mark.parametrize("allowed", [False, True])
def test_without_data_and_network_the_error_says_what_to_do(known: KnownDataset, allowed: bool) -> None:
    assert registry.find(known.name) is None
    with pytest.raises(DataError) as caught:
        registry.load(known.name, download=allowed)
    for part in (known.url, str(registry.cache_dir() / known.archive), "PARITY_DATA", "--dataset generated"):
        assert part in str(caught.value)


@pytest.fixture
def _served(known: KnownDataset, archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The archive on a server of this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(archive.parent))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        _change(monkeypatch, known, url=f"http://127.0.0.1:{http.server_port}/{known.archive}")
        yield
        http.shutdown()


@pytest.mark.usefixtures("_nothing_around", "_served")
def test_download_is_kept_in_the_cache(known: KnownDataset) -> None:
    assert registry.find(known.name) is None
    loaded = registry.load(known.name)
    kept = registry.cache_dir() / known.archive
    assert (loaded.name, loaded.title, loaded.source) == (known.name, known.official, str(kept))
    assert registry.find(known.name) == kept
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.usefixtures("_nothing_around", "_served")
def test_download_with_another_checksum_is_refused(known: KnownDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    _change(monkeypatch, known, sha256="0" * 64)
    with pytest.raises(DataError, match="expected SHA-256 0000"):
        registry.load(known.name)
    assert list(registry.cache_dir().iterdir()) == []


@pytest.mark.usefixtures("_nothing_around")
def test_damaged_cache_is_reported(known: KnownDataset, archive: Path) -> None:
    registry.cache_dir().mkdir(parents=True)
    kept = registry.cache_dir() / known.archive
    kept.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"incomplete, damaged|expected a complete \.zip") as caught:
        registry.load(known.name)
    assert str(kept) in str(caught.value)


@pytest.fixture(scope="module")
def full() -> registry.Dataset:
    return registry.load("generated", seed=3)


def test_generated_needs_no_files(full: registry.Dataset) -> None:
    assert (full.name, full.title) == ("generated", "generated 10-class shapes")
    assert full.train_images.shape == (5000, 32, 32, 3)
    assert full.test_images.shape == (1000, 32, 32, 3)
    assert len(full.classes) == 10


def test_limited(full: registry.Dataset) -> None:
    assert full.limited(None) is full
    assert full.limited(5000) is full
    few = full.limited(7)
    assert few.title == "generated 10-class shapes"
    np.testing.assert_array_equal(few.train_images, full.train_images[:7])
    np.testing.assert_array_equal(few.test_labels, full.test_labels[:7])
    assert len(few.train_labels) == len(few.test_images) == 7
    more_than_test = full.limited(2000)
    assert (len(more_than_test.train_images), len(more_than_test.test_images)) == (2000, 1000)
    for limit in (0, -1):
        with pytest.raises(DataError, match="at least 1"):
            full.limited(limit)
