"""Tiny ImageNet's layout, in small folders of real JPEG files, and in a real part of it where there is one."""

import hashlib
import io
import os
import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from parity.data import registry, tiny_imagenet
from parity.data.dataset import DataError

WNIDS = ("n00000007", "n00000003", "n00000005")

TRAIN = (11, 2, 3)  # images of each class

TEST = (2, 2, 3)

SIZE = 16

GREY = "train/n00000003/images/n00000003_1.JPEG"


def _colour(split: int, label: int, number: int) -> tuple[int, int, int]:
    """What the image is filled with: far enough apart for JPEG to keep them apart."""
    return 20 * number, 60 * label, 100 * split


def _save(path: Path, colour: tuple[int, ...], size: tuple[int, int] = (SIZE, SIZE), kind: str = "JPEG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour)
    image.convert("L" if path.as_posix().endswith(GREY) else "RGB").save(path, kind, quality=95)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Three classes of unlike size; one grey-scale image; validation images numbered across the classes."""
    root = tmp_path / "tiny-imagenet-200"
    root.mkdir()
    (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS))
    (root / "words.txt").write_text("n00000003\treel\nn00000007\tcat, house cat\nn00000009\tunused\n")
    lines = []
    for label, wnid in enumerate(WNIDS):
        for number in range(TRAIN[label]):
            _save(root / f"train/{wnid}/images/{wnid}_{number}.JPEG", _colour(0, label, number))
        for number in range(TEST[label]):
            name = f"val_{3 * number + 2 - label}.JPEG"  # 0 to 8: in every class the numbers ascend
            _save(root / "val/images" / name, _colour(1, label, number))
            lines.append(f"{name}\t{wnid}\t0\t0\t9\t9\n")
    (root / "val/val_annotations.txt").write_text("".join(reversed(lines)))
    for passed_over in ("train/n00000003/n00000003_boxes.txt", "val/images/.hidden.JPEG", "test/images/test_0.JPEG"):
        path = root / passed_over
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("neither an image nor a label")
    return root


def _check(loaded: registry.Dataset) -> None:
    """Every image is the one at its place: classes in turns, numbers ascending."""
    assert loaded.name == "tiny-imagenet"
    assert loaded.classes == ("cat", "reel", "n00000005")
    for split, (images, labels, counts) in enumerate(
        ((loaded.train_images, loaded.train_labels, TRAIN), (loaded.test_images, loaded.test_labels, TEST))
    ):
        turns = [(label, number) for number in range(max(counts)) for label in range(3) if number < counts[label]]
        assert len(turns) == sum(counts)
        assert images.shape == (len(turns), SIZE, SIZE, 3)
        assert images.dtype == labels.dtype == np.uint8
        assert labels.tolist() == [label for label, _ in turns]
        for image, (label, number) in zip(images, turns, strict=True):
            expected = np.array(_colour(split, label, number))
            if (split, label, number) == (0, 1, 1):
                assert (image == image[..., :1]).all(), "the grey-scale image has three equal channels"
                expected = expected @ [0.299, 0.587, 0.114]
            assert np.abs(image - expected).max() <= 4, (split, label, number)


def test_directory(layout: Path) -> None:
    loaded = registry.load(str(layout))
    _check(loaded)
    assert loaded.title == (
        "Tiny ImageNet, a part: 3 of 200 classes at 16 px, 16 + 7 images (structure checked; no official checksum)"
    )
    assert loaded.source == str(layout)


def _packed(root: Path, path: Path) -> Path:
    """A .zip or tar of the directory, with members that must not be read or written."""
    path.parent.mkdir(exist_ok=True)
    junk = ("../wnids.txt", "/val/val_annotations.txt", "__MACOSX/tiny-imagenet-200/._wnids.txt", "readme.txt")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as zipped:
            for name in junk:
                zipped.writestr(name, "junk")
            for file in root.rglob("*"):
                zipped.write(file, file.relative_to(root.parent))
        return path
    with tarfile.open(path, f"w:{path.suffix[1:].removeprefix('tar')}") as tar:  # type: ignore[call-overload]
        for name in junk:
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"junk"))
        link = tarfile.TarInfo("elsewhere/wnids.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        tar.add(root, f"./{root.name}")
    return path


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tar.xz"])
def test_archive_is_read_in_place(layout: Path, tmp_path: Path, ending: str) -> None:
    archive = _packed(layout, tmp_path / "archives" / f"tiny-imagenet-200.{ending}")
    shutil.rmtree(layout)
    before = sorted(tmp_path.rglob("*"))
    for path in (archive, archive.parent):
        loaded = registry.load(str(path))
        _check(loaded)
        assert loaded.source == str(archive)
        assert "no official checksum" in loaded.title
    assert sorted(tmp_path.rglob("*")) == before


def test_titles_tell_what_is_known(layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The full set, here that of the fixture, is official as an archive with the checksum and in no other form."""
    for name, value in (("CLASSES", 3), ("SIZE", SIZE), ("TRAIN_IMAGES", sum(TRAIN)), ("TEST_IMAGES", sum(TEST))):
        monkeypatch.setattr(tiny_imagenet, name, value)
    archive = _packed(layout, tmp_path / "archives" / "tiny-imagenet-200.zip")
    complete = "Tiny ImageNet images (structure checked; no official checksum)"
    assert registry.load(str(layout)).title == registry.load(str(archive)).title == complete
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setitem(registry.KNOWN, "tiny-imagenet", replace(tiny_imagenet.TINY_IMAGENET, sha256=sha256))
    assert registry.load(str(layout)).title == complete
    assert registry.load(str(archive)).title == "Tiny ImageNet (official files)"
    (layout / GREY).unlink()
    assert registry.load(str(layout)).title.startswith(
        "Tiny ImageNet, a part: 3 of 3 classes at 16 px, 15 + 7 images ("
    )


def test_a_limited_set_has_all_classes_in_fair_shares(layout: Path) -> None:
    loaded = registry.load(str(layout))
    for limit, shares in ((3, [1, 1, 1]), (5, [2, 2, 1]), (7, [3, 2, 2]), (8, [3, 2, 3])):
        few = loaded.limited(limit)
        assert np.bincount(few.train_labels).tolist() == shares
        assert len(few.train_images) == limit
    assert np.bincount(loaded.limited(6).test_labels).tolist() == [2, 2, 2]


def test_words_are_optional(layout: Path) -> None:
    (layout / "words.txt").unlink()
    assert registry.load(str(layout)).classes == WNIDS


def _written(name: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_text(text)


def _replaced(name: str, old: str, new: str) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new, 1))

    return damage


def _cut(root: Path) -> None:
    path = root / GREY
    path.write_bytes(path.read_bytes()[:-20])


def _emptied(root: Path) -> None:
    for path in (root / f"train/{WNIDS[2]}/images").iterdir():
        path.unlink()


def _doubled(root: Path) -> None:
    path = root / "val/val_annotations.txt"
    path.write_text(path.read_text() + path.read_text().splitlines()[0])


ANNOTATIONS = "val/val_annotations.txt"

FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {  # how to make it, where it is, what is said of it
    "no list of classes": (lambda root: (root / "wnids.txt").unlink(), "wnids.txt", "found none"),
    "empty list of classes": (_written("wnids.txt", "\n"), "wnids.txt", "expected 1 to 200 classes, found 0"),
    "too many classes": (
        _written("wnids.txt", "".join(f"n{number:08}\n" for number in range(201))),
        "wnids.txt",
        "expected 1 to 200 classes, found 201",
    ),
    "a path for a class": (
        _replaced("wnids.txt", WNIDS[1], "../../x"),
        "wnids.txt",
        "expected WordNet IDs, an n and 8 digits, found '../../x'",
    ),
    "a class twice": (_replaced("wnids.txt", WNIDS[1], WNIDS[0]), "wnids.txt", f"found {WNIDS[0]} twice"),
    "a class not listed": (
        _replaced("wnids.txt", f"{WNIDS[1]}\n", ""),
        f"train/{WNIDS[1]}",
        "found images of one that is not there",
    ),
    "a class without a folder": (
        lambda root: shutil.rmtree(root / "train" / WNIDS[2]),
        f"train/{WNIDS[2]}/images",
        "expected the training images (*.JPEG) of a class in wnids.txt, found none",
    ),
    "a class without images": (
        _emptied,
        f"train/{WNIDS[2]}/images",
        "found none",
    ),
    "an image of another size": (
        lambda root: _save(root / GREY, (1, 2, 3), (32, 32)),
        GREY,
        "expected 16x16 pixels like the first training image, found 32x32",
    ),
    "a test image of another size": (
        lambda root: _save(root / "val/images/val_4.JPEG", (1, 2, 3), (8, 8)),
        "val/images/val_4.JPEG",
        "expected 16x16 pixels like the first training image, found 8x8",
    ),
    "an image that is not square": (
        lambda root: _save(root / GREY, (1, 2, 3), (16, 17)),
        GREY,
        "expected a square image, found 16x17",
    ),
    "a broken image": (_cut, GREY, "expected a JPEG image, found"),
    "an empty image": (_written(GREY, ""), GREY, "expected a JPEG image, found 0 bytes"),
    "an image of another kind": (
        lambda root: _save(root / GREY, (1, 2, 3), kind="PNG"),
        GREY,
        "expected a JPEG image, found",
    ),
    "no annotations": (lambda root: (root / ANNOTATIONS).unlink(), ANNOTATIONS, "found none"),
    "an unknown class": (
        _replaced(ANNOTATIONS, WNIDS[1], "n00000009"),
        f"{ANNOTATIONS}, line 4",
        "expected a class in wnids.txt, found 'n00000009'",
    ),
    "a line without a class": (
        _replaced(ANNOTATIONS, "val_1.JPEG", "val_1.JPEG\nval_1.JPEG"),
        f"{ANNOTATIONS}, line 5",
        "expected image, tab, WordNet ID, found 'val_1.JPEG'",
    ),
    "no test image": (
        lambda root: (root / "val/images/val_4.JPEG").unlink(),
        f"{ANNOTATIONS}, line 4",
        "expected the image val/images/val_4.JPEG, found none",
    ),
    "a path for a test image": (
        _replaced(ANNOTATIONS, "val_4.JPEG", f"../../{GREY}"),
        f"{ANNOTATIONS}, line 4",
        "found none",
    ),
    "a test image without a line": (
        _replaced(ANNOTATIONS, f"val_4.JPEG\t{WNIDS[1]}\t0\t0\t9\t9\n", ""),
        "val/images/val_4.JPEG",
        "expected a line for it in val/val_annotations.txt, found none",
    ),
    "a test image twice": (_doubled, f"{ANNOTATIONS}, line 8", "expected every image once"),
    "a class without test images": (
        lambda root: [
            _replaced(ANNOTATIONS, f"{name}\t{WNIDS[1]}", f"{name}\t{WNIDS[0]}")(root)
            for name in ("val_1.JPEG", "val_4.JPEG")
        ],
        ANNOTATIONS,
        f"found none of {WNIDS[1]}",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_files_are_refused(layout: Path, tmp_path: Path, fault: str) -> None:
    damage, path_inside, message = FAULTS[fault]
    damage(layout)
    archive = _packed(layout, tmp_path / "archives" / "tiny-imagenet-200.zip")
    for path, where in ((layout, layout), (archive, archive)):
        with pytest.raises(DataError, match=re.escape(message)) as caught:
            registry.load(str(path))
        assert str(caught.value).startswith(f"{where / path_inside}: ")
        assert re.search(r"(?:Extract|Replace|replace|Put|Add|Make|Bring|correct)\b[^.]*", str(caught.value)[-160:])


@pytest.mark.parametrize("ending", ["zip", "tar", "tar.gz", "tar.xz"])
def test_damaged_archives_are_refused(layout: Path, tmp_path: Path, ending: str) -> None:
    archive = _packed(layout, tmp_path / "archives" / f"tiny-imagenet-200.{ending}")
    whole = archive.read_bytes()
    refused = 0
    for kept in (len(whole) // 3, len(whole) // 2, 20, 0):
        archive.write_bytes(whole[:kept])
        with pytest.raises(DataError) as caught:
            registry.load(str(archive))
        assert str(archive) in str(caught.value)
        refused += 1
    assert refused == 4


@pytest.mark.parametrize("ending", ["tar.gz", "tar.xz"])
def test_damaged_compression_is_refused(layout: Path, tmp_path: Path, ending: str) -> None:
    archive = _packed(layout, tmp_path / "archives" / f"tiny-imagenet-200.{ending}")
    whole = bytearray(archive.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 100] = b"\xff" * 100
    archive.write_bytes(whole)
    with pytest.raises(DataError, match=r"expected a complete \.zip, \.tar"):
        registry.load(str(archive))


def test_a_tar_that_ends_early_is_refused(layout: Path, tmp_path: Path) -> None:
    """Cut between two members, and with a member whose header is damaged: tarfile takes both for the end."""
    archive = _packed(layout, tmp_path / "archives" / "tiny-imagenet-200.tar")
    with tarfile.open(archive) as tar:
        members = [member.offset for member in tar if member.isreg()]
    whole = archive.read_bytes()
    for offset in (members[len(members) // 2], members[-1]):
        for damaged in (whole[:offset], whole[:offset] + b"\0" + whole[offset + 1 :]):
            archive.write_bytes(damaged)
            with pytest.raises(DataError, match=r"expected a complete \.zip, \.tar"):
                registry.load(str(archive))


def test_a_damaged_member_is_refused(layout: Path, tmp_path: Path) -> None:
    archive = _packed(layout, tmp_path / "archives" / "tiny-imagenet-200.zip")
    content = (layout / GREY).read_bytes()
    whole = archive.read_bytes()
    assert whole.count(content) == 1
    archive.write_bytes(whole.replace(content, content[:-1] + b"x"))
    with pytest.raises(DataError, match="CRC"):
        registry.load(str(archive))


@pytest.mark.parametrize(("offset", "value", "message"), [(8, 1, "encrypted"), (10, 99, "compression")])
def test_a_zip_that_python_cannot_read_is_refused(
    layout: Path, tmp_path: Path, offset: int, value: int, message: str
) -> None:
    """Flags and compression of one member, as its entry in the zip's directory states them."""
    archive = _packed(layout, tmp_path / "archives" / "tiny-imagenet-200.zip")
    whole = bytearray(archive.read_bytes())
    name = f"{layout.name}/{GREY}".encode()
    entry = whole.rindex(name) - 46
    assert whole[entry : entry + 4] == b"PK\x01\x02"
    whole[entry + offset] = value
    archive.write_bytes(whole)
    with pytest.raises(DataError, match=message):
        registry.load(str(archive))


def test_two_data_sets_in_one_archive_are_refused(layout: Path, tmp_path: Path) -> None:
    shutil.copytree(layout, tmp_path / "both" / "a")
    shutil.copytree(layout, tmp_path / "both" / "b")
    archive = _packed(tmp_path / "both", tmp_path / "archives" / "both.zip")
    with pytest.raises(DataError, match=r"expected one data set, found files of 2 \(both/a/, both/b/\)"):
        registry.load(str(archive))


def _real_part() -> Path:
    chosen = os.environ.get("PARITY_TEST_TINY")
    return Path(chosen) if chosen else Path(__file__).parents[3] / "shared/data/tiny-imagenet-10-32px.tar.xz"


@pytest.mark.skipif(
    not _real_part().exists(), reason=f"no real part of Tiny ImageNet at {_real_part()}; set PARITY_TEST_TINY to one"
)
def test_real_images_look_like_images() -> None:
    loaded = registry.load(str(_real_part()))
    count = len(loaded.classes)
    assert count >= 2
    assert len(loaded.train_images) > len(loaded.test_images) >= count
    few = loaded.limited(10 * count)
    np.testing.assert_array_equal(np.bincount(few.train_labels), [10] * count)
    np.testing.assert_array_equal(np.bincount(few.test_labels), [10] * count)
    means = loaded.train_images.mean((0, 1, 2)) / 255
    np.testing.assert_allclose(means, [0.480, 0.448, 0.398], atol=0.06)  # of all 200 classes
    pixels = few.train_images.astype(float)
    assert np.abs(np.diff(pixels, axis=2)).mean() < np.abs(pixels - pixels[::-1]).mean() / 2, "neighbours are alike"
