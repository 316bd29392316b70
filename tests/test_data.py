"""CIFAR-10 loading on real files of the full size: what is read, what is refused, and what the refusal says."""

import hashlib
import io
import os
import shutil
import socket
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from parity import data
from parity.data import DataError

NAMES = tuple(data.FILE_SHA256)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official layout: record i of file f has label (i + f) % 10, red 10 * f, green its row, blue its column."""
    directory = tmp_path_factory.mktemp("cifar") / data.DIRECTORY
    directory.mkdir()
    for number, name in enumerate(NAMES):
        planes = np.zeros((3, 32, 32), dtype=np.uint8)
        planes[0] = 10 * number
        planes[1], planes[2] = np.mgrid[:32, :32]
        records = np.empty((data.RECORDS, data.RECORD_BYTES), dtype=np.uint8)
        records[:, 0] = (np.arange(data.RECORDS) + number) % 10
        records[:, 1:] = planes.reshape(-1)
        records.tofile(directory / name)
    (directory / data.CLASS_FILE).write_text("\n".join(data.CLASSES) + "\n\n")
    return directory


@pytest.fixture(scope="module")
def archive(original: Path) -> Path:
    """The same as a .tar.gz, with members that must not be read or written."""
    path = original.parent / "archives" / data.ARCHIVE
    path.parent.mkdir()
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name in ("../escaped.bin", "data_batch_1.bin", f"{data.DIRECTORY}/unknown.bin"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"bad"))
        tar.add(original, data.DIRECTORY)
    return path


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    """A directory of links to the original files: replace one to damage it without touching the others."""
    directory = tmp_path / data.DIRECTORY
    directory.mkdir()
    for path in original.iterdir():
        (directory / path.name).symlink_to(path)
    return directory


@pytest.fixture
def _nothing_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no PARITY_DATA, and a proxy that refuses: "cifar10" can be had from nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.delenv("PARITY_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _official(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Declare the archive's checksum to be the official one."""
    monkeypatch.setattr(data, "ARCHIVE_SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())


def _check(loaded: data.Dataset) -> None:
    """Every value is the one written by the fixture, in NHWC."""
    assert loaded.name == "cifar10"
    assert loaded.classes == data.CLASSES
    for images, labels, first_file, files in (
        (loaded.train_images, loaded.train_labels, 0, 5),
        (loaded.test_images, loaded.test_labels, 5, 1),
    ):
        assert images.shape == (10_000 * files, 32, 32, 3)
        assert images.dtype == labels.dtype == np.uint8
        assert images.flags.c_contiguous
        index = np.arange(10_000 * files)
        number = first_file + index // 10_000
        np.testing.assert_array_equal(labels, (index % 10_000 + number) % 10)
        np.testing.assert_array_equal(images[:, 3, 7, 0], 10 * number)
        assert (images[..., 1] == np.arange(32)[:, None]).all()
        assert (images[..., 2] == np.arange(32)).all()


def test_directory(original: Path) -> None:
    loaded = data.load(str(original))
    _check(loaded)
    assert loaded.title == data.UNOFFICIAL
    assert loaded.source == str(original)


def test_right_checksums_earn_the_official_title(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sums = {name: hashlib.sha256((original / name).read_bytes()).hexdigest() for name in NAMES}
    monkeypatch.setattr(data, "FILE_SHA256", sums)
    assert data.load(str(original)).title == data.OFFICIAL
    monkeypatch.setattr(data, "FILE_SHA256", sums | {NAMES[-1]: "0" * 64})
    assert data.load(str(original)).title == data.UNOFFICIAL


def test_archive_is_read_in_place(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _official(archive, monkeypatch)
    before = sorted(archive.parent.parent.rglob("*"))
    loaded = data.load(str(archive))
    _check(loaded)
    assert loaded.title == data.OFFICIAL
    assert sorted(archive.parent.parent.rglob("*")) == before


def test_archive_with_another_checksum_is_refused(archive: Path) -> None:
    with pytest.raises(DataError, match="expected the official") as caught:
        data.load(str(archive))
    assert str(archive) in str(caught.value)
    assert "Delete it and run again" in str(caught.value)


def test_archive_without_the_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / data.ARCHIVE
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(f"{data.DIRECTORY}/{NAMES[0]}"))
        link = tarfile.TarInfo(f"{data.DIRECTORY}/{NAMES[1]}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    _official(path, monkeypatch)
    with pytest.raises(DataError, match="missing: data_batch_2"):
        data.load(str(path))


@pytest.mark.parametrize("size", [0, data.RECORDS * data.RECORD_BYTES - 1, (data.RECORDS + 1) * data.RECORD_BYTES])
def test_wrong_size_is_refused(copy: Path, size: int) -> None:
    path = copy / "data_batch_3.bin"
    path.unlink()
    path.touch()
    os.truncate(path, size)
    with pytest.raises(DataError, match=f"expected 30,730,000 bytes .* found {size:,}") as caught:
        data.load(str(copy))
    assert str(path) in str(caught.value)


def test_label_out_of_range_is_refused(copy: Path) -> None:
    path = copy / "test_batch.bin"
    raw = np.fromfile(path, dtype=np.uint8)
    raw[1234 * data.RECORD_BYTES] = 10
    path.unlink()
    raw.tofile(path)
    with pytest.raises(DataError, match="expected labels 0 to 9, found 10 in record 1234") as caught:
        data.load(str(copy))
    assert str(path) in str(caught.value)


def test_missing_files_are_named(copy: Path) -> None:
    (copy / "data_batch_2.bin").unlink()
    (copy / "test_batch.bin").unlink()
    with pytest.raises(DataError, match=r"missing: data_batch_2.bin, test_batch.bin\."):
        data.load(str(copy.parent))


def test_class_names_are_optional_but_not_arbitrary(copy: Path) -> None:
    path = copy / data.CLASS_FILE
    path.unlink()
    assert data.load(str(copy)).classes == data.CLASSES
    path.write_text("a b c d e f g h i j\n")
    assert data.load(str(copy)).classes == tuple("abcdefghij")
    path.write_text("a\nb\n")
    with pytest.raises(DataError, match="expected 10 class names, found 2"):
        data.load(str(copy))


def test_unknown_name_lists_what_is_possible() -> None:
    with pytest.raises(DataError, match="'cifar11': neither") as caught:
        data.load("cifar11")
    for possible in ("cifar10", "generated", data.DIRECTORY, data.ARCHIVE):
        assert possible in str(caught.value)


def test_empty_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found none of them"):
        data.load(str(tmp_path))


@pytest.mark.usefixtures("_nothing_around")
def test_parity_data_comes_first(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARITY_DATA", str(original.parent))
    assert data.find() == original
    assert data.load(download=False).source == str(original)
    monkeypatch.setenv("PARITY_DATA", str(tmp_path / "wrong"))
    for look in (data.find, data.load):
        with pytest.raises(DataError, match="environment variable PARITY_DATA"):
            look()


@pytest.mark.usefixtures("_nothing_around")
@pytest.mark.parametrize("allowed", [False, True])
def test_without_data_and_network_the_error_says_what_to_do(allowed: bool) -> None:
    assert data.find() is None
    with pytest.raises(DataError) as caught:
        data.load(download=allowed)
    for part in (data.URL, str(data.cache_dir() / data.ARCHIVE), "PARITY_DATA", "--dataset generated"):
        assert part in str(caught.value)


@pytest.fixture
def _served(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The archive on a server of this machine, declared to be the official one."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    _official(archive, monkeypatch)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(archive.parent))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        monkeypatch.setattr(data, "URL", f"http://127.0.0.1:{http.server_port}/{data.ARCHIVE}")
        yield
        http.shutdown()


@pytest.mark.usefixtures("_nothing_around", "_served")
def test_download_is_kept_in_the_cache() -> None:
    assert data.find() is None
    loaded = data.load()
    _check(loaded)
    kept = data.cache_dir() / data.ARCHIVE
    assert loaded.source == str(kept)
    assert data.find() == kept
    assert list(kept.parent.iterdir()) == [kept]


@pytest.mark.usefixtures("_nothing_around")
def test_damaged_cache_is_reported(archive: Path) -> None:
    data.cache_dir().mkdir(parents=True)
    shutil.copy(archive, data.cache_dir())
    with pytest.raises(DataError, match="Delete it and run again"):
        data.load()


@pytest.fixture(scope="module")
def full() -> data.Dataset:
    return data.load("generated", seed=3)


def test_generated_needs_no_files(full: data.Dataset) -> None:
    assert (full.name, full.title) == ("generated", "generated 10-class shapes")
    assert full.train_images.shape == (5000, 32, 32, 3)
    assert full.test_images.shape == (1000, 32, 32, 3)
    assert len(full.classes) == 10


def test_limited(full: data.Dataset) -> None:
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


@pytest.mark.skipif("PARITY_DATA" not in os.environ, reason="PARITY_DATA is not set: no real CIFAR-10 to read")
def test_real_images_look_like_images() -> None:
    loaded = data.load()
    np.testing.assert_array_equal(np.bincount(loaded.train_labels), [5000] * 10)
    np.testing.assert_array_equal(np.bincount(loaded.test_labels), [1000] * 10)
    # Means of the RGB channels as published everywhere: 0.4914, 0.4822, 0.4465.
    np.testing.assert_allclose(loaded.train_images.mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.002)
    assert np.abs(np.diff(loaded.train_images[:1000].astype(float), axis=2)).mean() < 15, "neighbours must be alike"
    assert loaded.classes[int(loaded.train_labels[0])] == "frog"
