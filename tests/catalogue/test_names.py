"""Names: ResNets of any depth, variants, and what is said about a name for which there is no network."""

import itertools
from dataclasses import replace

import pytest

from parity.catalogue.counting import count
from parity.catalogue.designs import ResNet, ResNetV2
from parity.catalogue.networks import NETWORKS, UnknownNetworkError, network, variant

DEPTHS = {1: (20, 32, 44, 56, 110, 164), 2: (20, 56, 110, 164, 1001)}  # with counts that are stated


def error(name: str) -> str:
    """What is said about a name that must be refused."""
    with pytest.raises(UnknownNetworkError) as caught:
        network(name)
    assert repr(name) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 9, 13, 18, 27, 40])
def test_counts_of_version_1_are_linear_in_the_blocks(n: int) -> None:
    """A line through two stated counts (20 and 32 layers) is the count at every depth, the other stated ones too."""
    entry = network(f"resnet{6 * n + 2}_v1")
    assert entry.params == 97_888 * n - 19_222
    assert entry.trainable == 97_440 * n - 19_254
    assert entry.flops == 28_311_552 * n - 3_308_288
    assert isinstance(entry.design, ResNet)
    assert [stage.blocks for stage in entry.design.stages] == [n, n, n]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 6, 12, 18, 50, 111])
def test_counts_of_version_2_are_linear_in_the_blocks(n: int) -> None:
    """A line through two stated counts (20 and 56 layers) is the count at every depth, the other stated ones too."""
    entry = network(f"resnet{9 * n + 2}_v2")
    assert entry.params == 274_912 * n + 24_266
    assert entry.trainable == 273_184 * n + 24_234
    assert entry.flops == 63_438_848 * n + 5_608_448
    assert isinstance(entry.design, ResNetV2)
    assert [stage.blocks for stage in entry.design.stages] == [n, n, n]


@pytest.mark.parametrize(("version", "depth"), [(v, depth) for v, depths in DEPTHS.items() for depth in depths])
def test_the_published_depths_are_catalogue_entries(version: int, depth: int) -> None:
    name = f"resnet{depth}_v{version}"
    assert network(name) is NETWORKS[name]
    assert bool(NETWORKS[name].published) == (name != "resnet20_v2")


def test_another_depth_has_its_name_and_no_published_result() -> None:
    entry = network("resnet26_v1")
    assert entry.name == "resnet26_v1"
    assert "resnet26_v1" not in NETWORKS
    assert not entry.published
    assert entry.recipe == NETWORKS["resnet20_v1"].recipe
    assert entry.batch_norm == NETWORKS["resnet20_v1"].batch_norm


@pytest.mark.parametrize(
    ("wrong", "rule", "nearest"),
    [
        ("resnet21_v1", "6n + 2", "resnet20_v1 and resnet26_v1"),
        ("resnet1001_v1", "6n + 2", "resnet998_v1 and resnet1004_v1"),
        ("resnet32_v2", "9n + 2", "resnet29_v2 and resnet38_v2"),
        ("resnet44_v2", "9n + 2", "resnet38_v2 and resnet47_v2"),
        ("resnet2_v1", "6n + 2", "resnet8_v1"),
        ("resnet7_v1-100c", "6n + 2", "resnet8_v1"),
        ("resnet10_v2", "9n + 2", "resnet11_v2"),
        ("resnet1_v2", "9n + 2", "resnet11_v2"),
    ],
)
def test_a_wrong_depth_gets_the_rule_and_the_nearest_right_ones(wrong: str, rule: str, nearest: str) -> None:
    assert rule in error(wrong)
    assert error(wrong).endswith(f"nearest: {nearest}.")
    for name in nearest.split(" and "):
        assert network(name).name == name


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("vgg61", "vgg16"),
        ("resnet-18", "resnet18"),
        ("lenet", "lenet5"),
        ("GoogLeNet", "googlenet"),
        ("mini-resnet", "mini_resnet"),
        ("vgg61-nobn-100c-64px", "vgg16"),
    ],
)
def test_an_unknown_network_suggests_the_nearest(wrong: str, right: str) -> None:
    assert f"no network named {wrong!r}. Did you mean {right!r}?" in error(wrong)
    assert all(name in error(wrong) for name in NETWORKS)


def test_a_name_like_no_other_gets_the_list_and_no_suggestion() -> None:
    assert "Did you mean" not in error("transformer")
    assert ", ".join(NETWORKS) in error("transformer")
    assert "resnet<6n+2>_v1" in error("transformer")


def test_every_network_has_all_its_variants() -> None:
    """Each by one name, which leaves off what is the network's own; the name leads back to what it stands for."""
    seen = set()
    for base, batch_norm, classes, size in itertools.product(NETWORKS, (True, False), (None, 10, 7), (None, 32, 40)):
        name = variant(base, batch_norm=batch_norm, classes=classes, size=size)
        entry, own = network(name), NETWORKS[base]
        assert entry.name == name
        assert entry.batch_norm == (own.batch_norm if batch_norm else None)
        assert entry.classes == (classes or own.classes)
        assert entry.image == ((size, size, 3) if size else own.image)
        assert entry.design == own.design
        assert (name == base) == (
            entry.batch_norm == own.batch_norm and entry.classes == own.classes and entry.image == own.image
        )
        assert bool(entry.published) == (name in NETWORKS and bool(NETWORKS[name].published))
        seen.add(name)
    assert len(seen) > 4 * len(NETWORKS)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "resnet20_v1"),
        ({"batch_norm": False}, "resnet20_v1-nobn"),
        ({"classes": 100}, "resnet20_v1-100c"),
        ({"size": 64}, "resnet20_v1-64px"),
        ({"classes": 10, "size": 32}, "resnet20_v1"),
        ({"size": 64, "classes": 100, "batch_norm": False}, "resnet20_v1-nobn-100c-64px"),
    ],
)
def test_names_of_variants(options: dict[str, int], name: str) -> None:
    assert variant("resnet20_v1", **options) == name  # type: ignore[arg-type]


def test_a_variant_of_a_variant_keeps_what_is_not_changed() -> None:
    assert variant("resnet20_v1-nobn-64px", classes=100) == "resnet20_v1-nobn-100c-64px"
    assert variant("resnet20_v1-nobn-64px", size=32) == "resnet20_v1-nobn"
    assert variant("resnet26_v1-100c", classes=10) == "resnet26_v1"


def test_without_batch_norm_where_there_is_none_is_the_network_itself() -> None:
    assert variant("vgg16_plain", batch_norm=False) == "vgg16_plain"
    assert variant("mini_resnet_nobn", batch_norm=False) == "mini_resnet_nobn"
    assert variant("mini_resnet", batch_norm=False) == "mini_resnet_nobn"
    assert variant("mini_resnet", batch_norm=False, classes=100) == "mini_resnet_nobn-100c"


def test_mini_resnet_without_batch_norm_is_the_published_ablation() -> None:
    """One network, one name."""
    base, published = NETWORKS["mini_resnet"], NETWORKS["mini_resnet_nobn"]
    assert published.design == base.design
    assert count(replace(base, batch_norm=None)) == (published.params, published.trainable, published.flops)
    assert published.batch_norm is None
    with pytest.raises(UnknownNetworkError, match="write 'mini_resnet_nobn', its one name"):
        network("mini_resnet-nobn")


def test_counts_of_the_keras_resnets_for_64x64_images_by_hand() -> None:
    """The 8x8 pool leaves 2x2 maps: four times the rows of the last layer, so three times its kernel more.

    Four times the positions of every convolution; the last layer's own operations are taken out, and put in again.
    """
    for name, channels in (("resnet20_v1", 64), ("resnet20_v2", 256)):
        small, large = NETWORKS[name], network(f"{name}-64px")
        assert large.params - small.params == large.trainable - small.trainable == 3 * channels * 10
        assert large.flops == 4 * (small.flops - 2 * channels * 10) + 2 * (4 * channels) * 10
    assert network("resnet20_v1-64px").params == 274_442 + 1_920 == 276_362
    assert network("resnet20_v2-64px").params == 574_090 + 7_680 == 581_770
    assert network("resnet20_v1-64px").flops == 4 * 81_625_088 + 5_120 == 326_505_472
    assert network("resnet20_v2-64px").flops == 4 * 132_481_024 + 20_480 == 529_944_576
    assert network("resnet20_v1-nobn-100c-64px").params == 4 * 64 * 100 + 100 + (
        274_442 - 4 * (16 * 7 + 32 * 6 + 64 * 6) - 650
    )


def test_counts_of_variants_by_hand() -> None:
    resnet, vgg = NETWORKS["resnet20_v1"], NETWORKS["vgg16"]
    assert network("resnet20_v1-100c").params == resnet.params + 90 * (64 + 1)
    assert network("resnet20_v1-nobn").params == resnet.params - 4 * (16 * 7 + 32 * 6 + 64 * 6)
    assert network("resnet20_v1-nobn").trainable == resnet.trainable - 2 * (16 * 7 + 32 * 6 + 64 * 6)
    assert network("vgg16-64px").params == vgg.params + 3 * 512 * 512  # four times as many rows of fc1
    assert network("mini_vgg-64px").params == NETWORKS["mini_vgg"].params
    assert network("mini_vgg-64px").flops == 4 * NETWORKS["mini_vgg"].flops - 3 * 2 * (576 * 64 + 64 * 64 + 64 * 10)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("resnet20_v1-100c-nobn", "resnet20_v1-nobn-100c"),
        ("resnet20_v1-64px-100c", "resnet20_v1-100c-64px"),
        ("resnet20_v1-10c", "resnet20_v1"),
        ("resnet20_v1-32px", "resnet20_v1"),
        ("resnet20_v1-0100c", "resnet20_v1-100c"),
        ("resnet20_v1-nobn-nobn", "resnet20_v1-nobn"),
        ("resnet20_v1-100c-20c", "resnet20_v1-20c"),
        ("vgg16_plain-nobn", "vgg16_plain"),
        ("vgg16_imagenet-1000c", "vgg16_imagenet"),
    ],
)
def test_a_variant_has_one_name_only(wrong: str, right: str) -> None:
    assert f"write {right!r}" in error(wrong)


@pytest.mark.parametrize(
    "wrong", ["resnet20_v1-fast", "resnet20_v1-", "vgg16-c", "vgg16-64", "vgg16--nobn", "vgg16-1.5px"]
)
def test_an_unknown_suffix_gets_the_suffixes_explained(wrong: str) -> None:
    assert "NAME[-nobn][-<classes>c][-<side>px]" in error(wrong)
    assert f"suffix {wrong.split('-')[1]!r}" in error(wrong)


@pytest.mark.parametrize(
    ("base", "smallest", "what"),
    [
        ("lenet5", 16, "a window of 2x2 is larger than a map of 1x1"),
        ("mini_inception", 13, "a window of 3x3 is larger than a map of 2x2"),
        ("resnet20_v1", 29, "a window of 8x8 is larger than a map of 7x7"),
        ("resnet20_v2", 29, "a window of 8x8 is larger than a map of 7x7"),
    ],
)
def test_images_that_are_too_small_are_refused(base: str, smallest: int, what: str) -> None:
    assert network(f"{base}-{smallest}px").image == (smallest, smallest, 3)
    assert what in error(f"{base}-{smallest - 1}px")
    assert f"images of {smallest - 1}x{smallest - 1} are too small for {base}" in error(f"{base}-{smallest - 1}px")
    with pytest.raises(UnknownNetworkError, match="too small"):
        variant(base, size=smallest - 1)


@pytest.mark.parametrize("wrong", ["vgg16-0px", "vgg16-1c", "vgg16-0c"])
def test_no_image_and_no_choice_of_classes_are_refused(wrong: str) -> None:
    assert "expected" in error(wrong)
    assert "at least" in error(wrong)
