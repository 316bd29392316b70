"""CIFAR-10 and CIFAR-100, in files of a tenth of the records: what is read, what is refused, and how."""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from parity.data import generated, registry
from parity.data.cifar import CIFAR10, CIFAR100, Cifar
from parity.data.dataset import DataError

PICTURES = 1000  # different ones in the files


@pytest.fixture(scope="module")
def pictures() -> npt.NDArray[np.uint8]:
    """[1000, 32, 32, 3]."""
    return generated.generate(0, train=PICTURES, test=0)[0]


@pytest.fixture(scope="module", params=[CIFAR10, CIFAR100], ids=lambda cifar: cifar.name)
def cifar(request: pytest.FixtureRequest) -> Iterator[Cifar]:
    """Both versions, with a tenth of the records so that the tests are quick."""
    files = tuple(replace(file, records=file.records // 10) for file in request.param.files)
    small = replace(request.param, files=files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(registry.KNOWN, small.name, small)
        yield small


def _fine(cifar: Cifar, number: int) -> npt.NDArray[np.int_]:
    """The class labels of file `number`."""
    return (np.arange(cifar.files[number].records) + number) % cifar.labels[-1][1]


def _shown(cifar: Cifar, number: int) -> npt.NDArray[np.int_]:
    """The pictures in file `number`, as indices."""
    return (np.arange(cifar.files[number].records) + 7 * number) % PICTURES


@pytest.fixture(scope="module")
def original(cifar: Cifar, pictures: npt.NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official layout, with generated pictures; a coarse label is a fifth of the fine one."""
    directory = tmp_path_factory.mktemp("cifar") / cifar.directory
    directory.mkdir()
    planes = pictures.transpose(0, 3, 1, 2).reshape(PICTURES, -1)
    for number, file in enumerate(cifar.files):
        records = np.empty((file.records, cifar.record_bytes), dtype=np.uint8)
        records[:, 0] = _fine(cifar, number) // 5
        records[:, len(cifar.labels) - 1] = _fine(cifar, number)
        records[:, len(cifar.labels) :] = planes[_shown(cifar, number)]
        records.tofile(directory / file.name)
    (directory / cifar.class_file).write_text("\n".join(_class_names(cifar)) + "\n\n")
    return directory


def _class_names(cifar: Cifar) -> tuple[str, ...]:
    return cifar.classes or tuple(f"class_{number}" for number in range(cifar.labels[-1][1]))


@pytest.fixture(scope="module")
def archive(cifar: Cifar, original: Path) -> Path:
    """The same as a .tar.gz, with members that must not be read or written."""
    path = original.parent / "archives" / cifar.archive
    path.parent.mkdir()
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name in (f"../{cifar.files[0].name}", f"{cifar.directory}/unknown.bin"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"bad"))
        tar.add(original, cifar.directory)
    return path


@pytest.fixture
def copy(cifar: Cifar, original: Path, tmp_path: Path) -> Path:
    """A directory of links to the original files: replace one to damage it without touching the others."""
    directory = tmp_path / cifar.directory
    directory.mkdir()
    for path in original.iterdir():
        (directory / path.name).symlink_to(path)
    return directory


@pytest.fixture
def _official(cifar: Cifar, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive's checksum is declared to be the official one."""
    monkeypatch.setitem(registry.KNOWN, cifar.name, replace(cifar, sha256=_sha256(archive)))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _check(loaded: registry.Dataset, cifar: Cifar, pictures: npt.NDArray[np.uint8]) -> None:
    """Every label and pixel is the one written by the fixture, in NHWC."""
    assert loaded.name == cifar.name
    assert loaded.classes == _class_names(cifar)
    numbers = range(len(cifar.files))
    for images, labels, files in (
        (loaded.train_images, loaded.train_labels, numbers[:-1]),
        (loaded.test_images, loaded.test_labels, numbers[-1:]),
    ):
        assert images.dtype == labels.dtype == np.uint8
        assert images.flags.c_contiguous
        np.testing.assert_array_equal(labels, np.concatenate([_fine(cifar, number) for number in files]))
        shown = np.concatenate([_shown(cifar, number) for number in files])
        assert images.shape == (len(shown), 32, 32, 3)
        np.testing.assert_array_equal(images, pictures[shown])


def test_sizes_of_the_official_files() -> None:
    """In bytes, as in the archives."""
    sizes = {file.name: file.records * known.record_bytes for known in (CIFAR10, CIFAR100) for file in known.files}
    batches = dict.fromkeys([*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"], 30_730_000)
    assert sizes == batches | {"train.bin": 153_700_000, "test.bin": 30_740_000}


def test_directory(cifar: Cifar, original: Path, pictures: npt.NDArray[np.uint8]) -> None:
    loaded = registry.load(str(original))
    _check(loaded, cifar, pictures)
    assert loaded.title == f"{cifar.title} images (structure checked; not the official checksums)"
    assert loaded.source == str(original)


def test_right_checksums_earn_the_official_title(cifar: Cifar, original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tuple(replace(file, sha256=_sha256(original / file.name)) for file in cifar.files)
    monkeypatch.setitem(registry.KNOWN, cifar.name, replace(cifar, files=files))
    assert registry.load(str(original)).title == f"{cifar.title} (official files)"
    monkeypatch.setitem(registry.KNOWN, cifar.name, replace(cifar, files=(*files[:-1], cifar.files[-1])))
    assert registry.load(str(original)).title == cifar.unofficial


@pytest.mark.usefixtures("_official")
def test_archive_is_read_in_place_under_any_name(
    cifar: Cifar, archive: Path, tmp_path: Path, pictures: npt.NDArray[np.uint8]
) -> None:
    renamed = tmp_path / "some data.tgz"
    renamed.symlink_to(archive)
    before = sorted(archive.parent.parent.rglob("*"))
    loaded = registry.load(str(renamed))
    _check(loaded, cifar, pictures)
    assert loaded.title == cifar.official
    assert sorted(archive.parent.parent.rglob("*")) == before
    assert list(tmp_path.iterdir()) == [renamed]


def test_archive_with_another_checksum_is_refused(cifar: Cifar, archive: Path, tmp_path: Path) -> None:
    """A complete archive that is another one, and one that broke off."""
    broken = tmp_path / cifar.archive
    broken.write_bytes(archive.read_bytes()[:1_000_000])
    for path in (archive, broken):
        with pytest.raises(DataError, match=f"expected the official {cifar.archive}") as caught:
            registry.load(str(path))
        for part in (str(path), f"{path.stat().st_size:,} bytes", _sha256(path), "Delete it and run again"):
            assert part in str(caught.value)


def test_archive_without_the_files_is_refused(cifar: Cifar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / cifar.archive
    first, second = (file.name for file in cifar.files[:2])
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(f"{cifar.directory}/{first}"))
        link = tarfile.TarInfo(f"{cifar.directory}/{second}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    monkeypatch.setitem(registry.KNOWN, cifar.name, replace(cifar, sha256=_sha256(path)))
    with pytest.raises(DataError, match=f"missing: {second}"):
        registry.load(str(path))


@pytest.mark.parametrize("off", [-1, -3074, 3074])
@pytest.mark.parametrize("number", [0, -1])
def test_wrong_size_is_refused(cifar: Cifar, copy: Path, number: int, off: int) -> None:
    file = cifar.files[number]
    path = copy / file.name
    path.unlink()
    path.touch()
    size = file.records * cifar.record_bytes + off
    os.truncate(path, size)
    expected = f"expected {size - off:,} bytes \\({file.records:,} records of {cifar.record_bytes}\\), found {size:,}"
    with pytest.raises(DataError, match=expected) as caught:
        registry.load(str(copy))
    assert str(path) in str(caught.value)
    assert cifar.url in str(caught.value)


def test_label_out_of_range_is_refused(cifar: Cifar, copy: Path) -> None:
    path = copy / cifar.files[-1].name
    good = np.fromfile(path, dtype=np.uint8)
    for column, (label, values) in enumerate(cifar.labels):
        raw = good.copy()
        raw[234 * cifar.record_bytes + column] = values
        path.unlink()
        raw.tofile(path)
        expected = f"expected {label}s 0 to {values - 1}, found {values} in record 234"
        with pytest.raises(DataError, match=expected) as caught:
            registry.load(str(copy))
        assert str(path) in str(caught.value)


def test_missing_files_are_named(cifar: Cifar, copy: Path) -> None:
    lost = [file.name for file in cifar.files[1:]]
    for name in lost:
        (copy / name).unlink()
    with pytest.raises(DataError, match=f"missing: {', '.join(lost)}\\."):
        registry.load(str(copy.parent))


def test_class_names_are_not_arbitrary(cifar: Cifar, copy: Path) -> None:
    path = copy / cifar.class_file
    path.unlink()
    count = cifar.labels[-1][1]
    others = tuple(f"other_{number}" for number in range(count))
    path.write_text("\n".join(others) + "\n")
    assert registry.load(str(copy)).classes == others
    path.write_text("a\nb\n")
    with pytest.raises(DataError, match=f"expected {count} class names, found 2"):
        registry.load(str(copy))
    path.unlink()
    if cifar.classes:
        assert registry.load(str(copy)).classes == cifar.classes
    else:
        with pytest.raises(DataError, match=f"missing: {cifar.class_file}"):
            registry.load(str(copy))


def _absent(name: str) -> str:
    """Why there is no real data set to read; empty where there is one."""
    if "PARITY_DATA" not in os.environ:
        return "PARITY_DATA is not set: no real images to read"
    try:
        registry.find(name)
    except DataError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("full", "first", "means"),  # of the RGB channels of the training images, as published everywhere
    [(CIFAR10, "frog", (0.4914, 0.4822, 0.4465)), (CIFAR100, "cattle", (0.5071, 0.4865, 0.4409))],
    ids=("cifar10", "cifar100"),
)
def test_real_images_look_like_images(
    full: Cifar, first: str, means: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := _absent(full.name):
        pytest.skip(reason)
    monkeypatch.setitem(registry.KNOWN, full.name, full)
    loaded = registry.load(full.name)
    count = len(loaded.classes)
    np.testing.assert_array_equal(np.bincount(loaded.train_labels), [50_000 // count] * count)
    np.testing.assert_array_equal(np.bincount(loaded.test_labels), [10_000 // count] * count)
    np.testing.assert_allclose(loaded.train_images.mean((0, 1, 2)) / 255, means, atol=0.002)
    assert np.abs(np.diff(loaded.train_images[:1000].astype(float), axis=2)).mean() < 15, "neighbours must be alike"
    assert loaded.classes[int(loaded.train_labels[0])] == first
