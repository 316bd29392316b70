"""Pairs of models with the verdict that `parity compare` must give on them, every one proven apart from it.

A file a family; each holds `tensorflow_<name>` and `paddle_<name>`, whose arguments switch to realistic wrong versions.
This module imports no framework: it is imported in both workers and in the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["equal", "different", "undecided"]


@dataclass(frozen=True)
class Pair:
    """Two models and what is true of them.

    Weights are moved as the layouts of the layers say, and arrays of a layer of the user's own as they are. So a
    difference that other weights of the next layer could hide, such as another order of concatenation, is a difference.
    An array that only one model has is one, too, such as a second encoder where the other model uses one twice.

    Attributes:
        name: family/name, unique.
        tensorflow: the target of the TensorFlow model.
        paddle: the target of the Paddle model.
        inputs: every `--input` of the command line: "8,8,3", or "ids=5:int" of several. Channels last.
        options: further ones: tokens=40 for `--tokens 40`, training=True for `--training`.
        verdict: that must be given.
        layer: of a pair that differs, the TensorFlow layers of which one must be named as where it begins; empty: any.
        cause: of a pair that differs, what the explanation must contain, in any case of letters; ";" between several.
    """

    name: str
    tensorflow: str
    paddle: str
    inputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    verdict: Verdict = "equal"
    layer: tuple[str, ...] = ()
    cause: str = ""

    @property
    def arguments(self) -> list[str]:
        """What stands behind `parity compare`."""
        words = [self.tensorflow, self.paddle]
        for text in self.inputs:
            words += ["--input", text]
        for name, value in self.options.items():
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return words


def _equal(name: str, tensorflow: str, paddle: str, *inputs: str, **options: Any) -> Pair:
    return _pair(name, tensorflow, paddle, inputs, options, "equal", "", "")


def _undecided(name: str, tensorflow: str, paddle: str, *inputs: str, **options: Any) -> Pair:
    return _pair(name, tensorflow, paddle, inputs, options, "undecided", "", "")


def _different(
    name: str, tensorflow: str, paddle: str, *inputs: str, layer: str = "", cause: str = "", **options: Any
) -> Pair:
    return _pair(name, tensorflow, paddle, inputs, options, "different", layer, cause)


def _pair(
    name: str,
    tensorflow: str,
    paddle: str,
    inputs: tuple[str, ...],
    options: Mapping[str, Any],
    verdict: Verdict,
    layer: str,
    cause: str,
) -> Pair:
    module = f"tests.migration.pairs.{name.partition('/')[0]}"
    first, second = f"{module}:tensorflow_{tensorflow}", f"{module}:paddle_{paddle}"
    return Pair(name, first, second, inputs, options, verdict, tuple(layer.split()), cause)


IMAGE, SEQUENCE = "8,8,3", "6,8"

MAPS = "12,12,3"

LEFT, RIGHT = "left=8,8,1", "right=8,8,1"

PAIRS = (
    # Masks: random ids hardly ever hold the padding.
    _equal("masks/mean", "mean", "mean", "12", tokens=40),
    _equal("masks/residual-layer", "residual_mean(layer=True)", "residual_mean(mask=True)", "12", tokens=40),
    _equal("masks/residual-operator", "residual_mean(layer=False)", "residual_mean(mask=False)", "12", tokens=40),
    _different(
        "masks/residual-operator-masked",
        "residual_mean(layer=False)",
        "residual_mean(mask=True)",
        "12",
        layer="mean",
        cause="mask",
        tokens=40,
    ),
    _equal("masks/mean-unmasked", "mean(mask=False)", "mean(mask=False)", "12", tokens=40),
    # Equal with the padding at the end, which is what Paddle's sequence_length means.
    _equal("masks/lstm", "lstm", "lstm", "12", tokens=40),
    _equal("masks/bidirectional", "bidirectional", "bidirectional", "12", tokens=40),
    _equal("masks/gru-steps", "gru_steps", "gru_steps", "12", tokens=40),
    _equal("masks/masking-layer", "masking_layer", "masking_layer", "10,4"),
    _equal("masks/marked", "marked(-9.0)", "marked(-9.0)", "8,3"),
    _different("masks/marked-missing", "marked(-9.0)", "marked(None)", "8,3", layer="masking memory", cause="mask"),
    _different("masks/marked-other", "marked(-9.0)", "marked(-8.0)", "8,3", layer="masking memory", cause="mask"),
    _equal("masks/table", "table(mask=True)", "table", "7", tokens=500),
    _equal("masks/maximum", "maximum", "maximum", "12", tokens=40),
    _different("masks/mean-missing", "mean", "mean(mask=False)", "12", tokens=40, layer="mean", cause="mask"),
    _different(
        "masks/mean-missing-large-vocabulary",
        "mean(vocabulary=5000)",
        "mean(mask=False, vocabulary=5000)",
        "12",
        tokens=5000,
        layer="mean",
        cause="mask",
    ),
    _different("masks/mean-of-another-id", "mean", "mean(pad=1)", "12", tokens=40, layer="mean", cause="mask"),
    _different("masks/mean-count", "mean", "mean(count_all=True)", "12", tokens=40, layer="mean"),
    _different("masks/mean-paddle-only", "mean(mask=False)", "mean", "12", tokens=40, layer="mean", cause="mask"),
    _different("masks/lstm-missing", "lstm", "lstm(mask=False)", "12", tokens=40, layer="memory", cause="mask"),
    _different("masks/lstm-last-step", "lstm", "lstm(last_output=True)", "12", tokens=40, layer="memory logits"),
    _different(
        "masks/bidirectional-missing",
        "bidirectional",
        "bidirectional(mask=False)",
        "12",
        tokens=40,
        layer="both",
        cause="mask",
    ),
    _different("masks/gru-steps-mean", "gru_steps", "gru_steps(mask=False)", "12", tokens=40, layer="mean memory"),
    _different(
        "masks/masking-layer-missing",
        "masking_layer",
        "masking_layer(mask=False)",
        "10,4",
        layer="mean masking",
        cause="mask",
    ),
    _different(
        "masks/padding-idx", "table", "table(padding_idx=0)", "7", tokens=500, layer="words", cause="padding_idx"
    ),
    _different(
        "masks/padding-idx-last", "table", "table(padding_idx=-1)", "7", tokens=500, layer="words", cause="padding_idx"
    ),
    _different("masks/max-norm", "table", "table(max_norm=1.0)", "7", tokens=500, layer="words", cause="max_norm"),
    _different("masks/maximum-zeroed", "maximum", "maximum(mask=True)", "12", tokens=40, layer="words trigrams"),
    # Recurrent layers.
    _equal("recurrent/lstm", "lstm", "lstm", "8,3"),
    _equal("recurrent/lstm-backwards", "lstm(go_backwards=True)", "lstm(flipped=True)", "8,3"),
    _equal("recurrent/gru", "gru", "gru", "8,3"),
    _equal("recurrent/gru-square", "gru(units=3)", "gru(units=3)", "8,3"),
    _equal("recurrent/simple", "simple", "simple", "8,3"),
    _equal("recurrent/simple-relu", "simple(activation='relu')", "simple(activation='relu')", "8,3"),
    _equal("recurrent/bidirectional", "bidirectional", "bidirectional", "8,3"),
    _equal("recurrent/bidirectional-sum", "bidirectional(merge='sum')", "bidirectional(merge='sum')", "8,3"),
    _equal("recurrent/bidirectional-ends", "bidirectional(steps=False)", "bidirectional(steps=False)", "8,3"),
    _equal("recurrent/stacked", "stacked", "stacked", "8,3"),
    _equal("recurrent/initial-state", "initial_state", "initial_state", "8,3"),
    _equal("recurrent/own-cell", "own_cell", "own_cell", "8,3"),
    # The same computation with weights in an order that no search for layouts covers.
    _undecided("recurrent/own-cell-backwards", "own_cell", "own_cell(backwards=True)", "8,3"),
    _different("recurrent/lstm-backwards-missing", "lstm(go_backwards=True)", "lstm", "8,3", layer="memory"),
    _different(
        "recurrent/lstm-gates",
        "lstm(recurrent_activation='hard_sigmoid')",
        "lstm",
        "8,3",
        layer="memory",
        cause="activation",
    ),
    _different("recurrent/lstm-no-bias", "lstm(use_bias=False)", "lstm", "8,3", layer="memory", cause="bias"),
    _different(
        "recurrent/lstm-dropout", "lstm(dropout=0.3)", "lstm", "8,3", training=True, layer="memory", cause="dropout"
    ),
    _different(
        "recurrent/stacked-dropout",
        "stacked",
        "stacked(dropout=0.3)",
        "8,3",
        training=True,
        layer="memory0 memory1",
        cause="dropout",
    ),
    _different(
        "recurrent/lstm-two-differences",
        "lstm(recurrent_activation='hard_sigmoid', go_backwards=True)",
        "lstm",
        "8,3",
        layer="memory",
    ),
    _different("recurrent/lstm-first-step", "lstm", "lstm(first=True)", "8,3", layer="memory head"),
    _different("recurrent/gru-reset", "gru(reset_after=False)", "gru", "8,3", layer="memory", cause="reset"),
    _different(
        "recurrent/simple-activation", "simple(activation='relu')", "simple", "8,3", layer="memory", cause="activation"
    ),
    _different("recurrent/simple-last-step", "simple(steps=True)", "simple", "8,3", layer="memory maximum"),
    _different(
        "recurrent/bidirectional-merge",
        "bidirectional(merge='sum')",
        "bidirectional(merge='ave')",
        "8,3",
        layer="both",
    ),
    _different(
        "recurrent/bidirectional-last-step",
        "bidirectional(steps=False)",
        "bidirectional(steps=False, ends=False)",
        "8,3",
        layer="both head",
    ),
    _different(
        "recurrent/initial-state-zero", "initial_state", "initial_state(given=False)", "8,3", layer="memory state"
    ),
    _different(
        "recurrent/own-cell-activation",
        "own_cell",
        "own_cell(activation='sigmoid')",
        "8,3",
        layer="memory",
        cause="activation",
    ),
    _equal("cells/one", "lstm", "lstm", "5,3"),
    _equal("cells/apart", "lstm", "lstm('apart', gates='ifog')", "5,3"),
    _equal("cells/gates", "lstm", "lstm(gates='ogif')", "5,3"),
    _equal("cells/interleaved", "lstm", "lstm(interleaved=True, gates='fiog')", "5,3"),
    _equal("cells/interleaved-apart", "lstm", "lstm('apart', interleaved=True)", "5,3"),
    _equal("cells/maps", "maps", "maps", "3,5,5,2"),
    _equal("cells/maps-apart", "maps", "maps('apart', gates='oifg')", "3,5,5,2"),
    _equal("cells/by-hand", "by_hand", "by_hand", "5,3"),
    _equal("cells/by-hand-gates", "by_hand(gates='ogif')", "by_hand", "5,3"),
    _equal("cells/by-hand-units", "by_hand(order='units')", "by_hand", "5,3"),
    _equal("cells/by-hand-one", "by_hand('one', gates='fiog')", "by_hand", "5,3"),
    _equal("cells/gru", "gru", "gru", "5,3"),
    # No layout that is tried makes anything agree: of a layer nothing is seen from within.
    _undecided("cells/by-hand-backwards", "by_hand(order='backwards')", "by_hand", "5,3"),
    _undecided("cells/by-hand-one-backwards", "by_hand('one', order='backwards')", "by_hand", "5,3"),
    _undecided("cells/by-hand-forget", "by_hand(forget=1.0)", "by_hand", "5,3"),
    _different("cells/gru-kept", "gru", "gru(kept='new')", "5,3", layer="memory"),
    _different("cells/forget", "lstm", "lstm(forget=1.0)", "5,3", layer="memory"),
    _different("cells/forget-apart", "lstm", "lstm('apart', forget=1.0)", "5,3", layer="memory"),
    _different("cells/maps-function", "maps", "maps(activation='relu')", "3,5,5,2", layer="memory"),
    _equal("custom_layers/rounded", "rounded", "rounded", "8"),
    # Only inputs that lie exactly on a half would show it.
    _undecided("custom_layers/rounded-up", "rounded", "rounded('floor')", "8"),
    # Attention.
    _equal("attention/layer", "layer", "layer", SEQUENCE),
    _equal("attention/causal", "layer(causal=True)", "layer(causal=True)", SEQUENCE),
    _equal("attention/by-hand", "layer", "by_hand", SEQUENCE),
    _equal("attention/by-hand-small-keys", "layer(key_size=3)", "by_hand(key_size=3)", SEQUENCE),
    _equal("attention/padded", "padded", "padded", "9", tokens=30),
    _equal("attention/padded-boolean", "padded", "padded(mask='boolean')", "9", tokens=30),
    _equal("attention/implicit", "implicit", "implicit", "9", tokens=3000),
    _equal("attention/transformer", "transformer", "transformer", SEQUENCE),
    _equal(
        "attention/transformer-first",
        "transformer(norm_first=True, activation='gelu')",
        "transformer(norm_first=True, activation='gelu')",
        SEQUENCE,
    ),
    _equal("attention/cross", "cross", "cross", "query=5,8", "memory=7,8"),
    _different("attention/causal-missing", "layer(causal=True)", "layer", SEQUENCE, layer="attention", cause="causal"),
    _different(
        "attention/causal-flipped",
        "layer(causal=True)",
        "layer(causal=True, flipped=True)",
        SEQUENCE,
        layer="attention",
        cause="mask",
    ),
    _different("attention/residual", "layer", "layer(residual=False)", SEQUENCE, layer="sum"),
    _equal("attention/rotary", "rotary", "rotary", SEQUENCE),
    _different("attention/scale", "layer", "by_hand(scale=1.0)", SEQUENCE, layer="attention", cause="scale"),
    _different(
        "attention/scale-of-width",
        "layer",
        "by_hand(scale=0.35355339059327373)",
        SEQUENCE,
        layer="attention",
        cause="scale",
    ),
    _different("attention/softmax-axis", "layer", "by_hand(axis=2)", SEQUENCE, layer="attention", cause="axis"),
    _different("attention/heads", "layer", "by_hand(heads=4, key_size=2)", SEQUENCE, layer="attention", cause="heads"),
    _different("attention/epsilon", "layer(epsilon=1e-3)", "layer", SEQUENCE, layer="norm", cause="epsilon"),
    _different(
        "attention/dropout", "layer(dropout=0.4)", "layer", SEQUENCE, training=True, layer="attention", cause="dropout"
    ),
    _different(
        "attention/two-differences",
        "layer(causal=True, epsilon=1e-3)",
        "layer",
        SEQUENCE,
        layer="attention",
        cause="causal; epsilon",
    ),
    _different(
        "attention/padded-missing", "padded", "padded(mask=None)", "9", tokens=30, layer="attention", cause="mask"
    ),
    _different(
        "attention/padded-inverted",
        "padded",
        "padded(mask='inverted')",
        "9",
        tokens=30,
        layer="attention",
        cause="mask",
    ),
    _different(
        "attention/implicit-missing",
        "implicit",
        "implicit(attention=False, mean=False)",
        "9",
        tokens=3000,
        layer="attention",
        cause="mask",
    ),
    _different(
        "attention/implicit-mean", "implicit", "implicit(mean=False)", "9", tokens=3000, layer="mean", cause="mask"
    ),
    _different(
        "attention/norm-first", "transformer(norm_first=True)", "transformer", SEQUENCE, layer="norm1_0 attention0"
    ),
    _different(
        "attention/transformer-activation",
        "transformer(activation='gelu')",
        "transformer",
        SEQUENCE,
        layer="wide0",
        cause="relu",
    ),
    _different(
        "attention/cross-swapped", "cross(swapped=True)", "cross", "query=5,8", "memory=7,8", layer="attention keys"
    ),
    # Segmentation.
    _equal("segmentation/unet", "unet", "unet", "12,12,3"),
    _equal("segmentation/unet-kernel-4", "unet(kernel=4)", "unet(kernel=4, padding=1)", "12,12,3"),
    _equal("segmentation/unet-bilinear", "unet(up='resize')", "unet(up='resize')", "12,12,3"),
    _equal(
        "segmentation/unet-nearest",
        "unet(up='resize', interpolation='nearest')",
        "unet(up='resize', mode='nearest')",
        "12,12,3",
    ),
    _equal("segmentation/resize", "resize", "resize", "10,10,3"),
    _equal("segmentation/resize-ops", "resize(how='ops')", "resize(layer=True)", "10,10,3"),
    _equal("segmentation/resize-tf", "resize(how='tf', size=20)", "resize(size=20)", "10,10,3"),
    _equal("segmentation/resize-training", "resize(how='tf', size=20)", "resize(size=20)", "10,10,3", training=True),
    _equal("segmentation/crop", "crop", "crop", "12,12,3"),
    _equal("segmentation/deconvolution-crop", "deconvolution", "deconvolution(crop=1)", "6,6,3"),
    _equal("segmentation/deconvolution-sides", "deconvolution", "deconvolution(padding=[0, 1, 0, 1])", "6,6,3"),
    _equal(
        "segmentation/deconvolution-size",
        "deconvolution(kernel=2, stride=3)",
        "deconvolution(kernel=2, stride=3, size=18)",
        "6,6,3",
    ),
    _equal("segmentation/shuffle", "shuffle", "shuffle", "6,6,3"),
    _different(
        "segmentation/skip-order",
        "unet",
        "unet(swapped=True)",
        "12,12,3",
        layer="join",
        cause="order of concatenation",
    ),
    _different(
        "segmentation/align-corners",
        "unet(up='resize')",
        "unet(up='resize', align_corners=True)",
        "12,12,3",
        layer="enlarge",
        cause="align",
    ),
    _different(
        "segmentation/method",
        "unet(up='resize')",
        "unet(up='resize', mode='nearest')",
        "12,12,3",
        layer="enlarge",
        cause="nearest",
    ),
    _different("segmentation/align-mode", "resize", "resize(align_mode=1)", "10,10,3", layer="enlarge", cause="half"),
    _different(
        "segmentation/antialias",
        "resize(size=5, antialias=True)",
        "resize(size=5)",
        "10,10,3",
        layer="enlarge",
        cause="antialias",
    ),
    _different("segmentation/crop-side", "crop", "crop(top=0, left=0)", "12,12,3", layer="crop"),
    _different(
        "segmentation/deconvolution-symmetric",
        "deconvolution",
        "deconvolution(padding=1, output_padding=1)",
        "6,6,3",
        layer="up",
        cause="padding",
    ),
    _different(
        "segmentation/deconvolution-short",
        "deconvolution(kernel=2, stride=3)",
        "deconvolution(kernel=2, stride=3)",
        "6,6,3",
        layer="up",
    ),
    _different(
        "segmentation/shuffle-order", "shuffle", "shuffle(blocks_first=False)", "6,6,3", layer="shuffle features"
    ),
    # Detection.
    _equal("detection/box-head", "box_head", "box_head", IMAGE),
    _equal("detection/box-head-flatten", "box_head", "box_head(merged=True)", IMAGE),
    _equal("detection/two-heads", "two_heads", "two_heads", IMAGE),
    _equal("detection/levels", "levels", "levels", IMAGE),
    _equal("detection/decode", "decode", "decode", "6,6,3"),
    _different("detection/box-head-rows", "box_head", "box_head(transposed=False)", IMAGE, layer="rows boxes"),
    _different(
        "detection/two-heads-padding",
        "two_heads",
        "two_heads(padding=(1, 0, 1, 0))",
        IMAGE,
        layer="features",
        cause="padding",
    ),
    _different(
        "detection/two-heads-softmax",
        "two_heads",
        "two_heads(softmax_axis=1)",
        IMAGE,
        layer="probabilities",
        cause="axis",
    ),
    _different(
        "detection/two-heads-activation",
        "two_heads(boxes_activation='sigmoid')",
        "two_heads",
        IMAGE,
        layer="boxes box_rows",
        cause="sigmoid",
    ),
    _different(
        "detection/levels-order",
        "levels",
        "levels(coarse_first=True)",
        IMAGE,
        layer="anchors",
        cause="order of concatenation",
    ),
    _different("detection/decode-half", "decode", "decode(half=False)", "6,6,3"),
    _different("detection/decode-clip", "decode(clipped=True)", "decode", "6,6,3", cause="clip"),
    # Autoencoders.
    _equal("autoencoders/convolutional", "convolutional", "convolutional", "12,12,1"),
    _equal(
        "autoencoders/convolutional-channels-first", "convolutional", "convolutional(channels_last=False)", "12,12,1"
    ),
    _equal("autoencoders/dense", "dense", "dense", "10"),
    _equal("autoencoders/tied", "tied", "tied", "10"),
    _different(
        "autoencoders/down", "convolutional", "convolutional(down='all')", "12,12,1", layer="down1", cause="padding"
    ),
    _different(
        "autoencoders/up", "convolutional", "convolutional(up='symmetric')", "12,12,1", layer="up1", cause="padding"
    ),
    _different(
        "autoencoders/end", "convolutional(activation='tanh')", "convolutional", "12,12,1", layer="up2", cause="sigmoid"
    ),
    _different("autoencoders/alpha", "dense", "dense(alpha=0.5)", "10", layer="encode", cause="alpha"),
    _different("autoencoders/untied", "tied", "tied(tied=False)", "10", layer="tied"),
    # Recommenders.
    _equal("recommenders/wide-deep", "wide_deep", "wide_deep", "ids=5:int", "numbers=4", tokens=50),
    _equal("recommenders/factorisation", "factorisation", "factorisation", "6", tokens=50),
    _equal("recommenders/factorisation-squares", "factorisation", "factorisation(difference=False)", "6", tokens=50),
    _equal("recommenders/two-towers", "two_towers", "two_towers", "user=6", "item=8"),
    _equal("recommenders/named-inputs", "named_inputs", "named_inputs", "price=4", "age=4"),
    _equal("recommenders/cross", "cross", "cross", "6"),
    _different(
        "recommenders/wide-deep-order",
        "wide_deep",
        "wide_deep(numbers_first=True)",
        "ids=5:int",
        "numbers=4",
        tokens=50,
        layer="join",
        cause="order of concatenation",
    ),
    _different(
        "recommenders/wide-deep-relu",
        "wide_deep",
        "wide_deep(wide_relu=True)",
        "ids=5:int",
        "numbers=4",
        tokens=50,
        layer="wide sum",
        cause="relu",
    ),
    _different("recommenders/factorisation-half", "factorisation", "factorisation(half=False)", "6", tokens=50),
    _different(
        "recommenders/two-towers-length",
        "two_towers",
        "two_towers(normalised=False)",
        "user=6",
        "item=8",
        layer="user_unit item_unit",
    ),
    _different("recommenders/two-towers-temperature", "two_towers", "two_towers(temperature=0.07)", "user=6", "item=8"),
    _different(
        "recommenders/named-inputs-exchanged",
        "named_inputs",
        "named_inputs(exchanged=True)",
        "price=4",
        "age=4",
        layer="less",
    ),
    _different("recommenders/cross-first", "cross", "cross(first=False)", "6", layer="cross1"),
    # Norms.
    _equal("normalisation/batch", "batch", "batch(epsilon=1e-3)", IMAGE),
    _equal(
        "normalisation/batch-plain",
        "batch(scale=False, center=False)",
        "batch(epsilon=1e-3, learned=False)",
        IMAGE,
    ),
    _equal("normalisation/layer-channels", "layer_axes", "layer_axes", "6,6,3"),
    _equal("normalisation/layer-map", "layer_axes(axes=(1, 2, 3))", "layer_axes(everything=True)", "6,6,3"),
    _equal("normalisation/group", "group", "group", "6,6,3"),
    _equal("normalisation/rms", "rms", "rms", SEQUENCE),
    _equal("normalisation/unit", "unit", "unit", "8"),
    _equal("normalisation/instance", "instance", "instance", "6,6,3"),
    _equal("normalisation/dwarfed", "dwarfed", "dwarfed", "8"),
    _different(
        "normalisation/dwarfed-epsilon",
        "dwarfed",
        "dwarfed(epsilon=1e-5)",
        "8",
        cause="loud / loud: batch norm epsilon; quiet / quiet: batch norm epsilon",
    ),
    _equal("normalisation/weight-norm", "weight_norm", "weight_norm", "8"),
    _equal("normalisation/blocks", "blocks", "blocks", MAPS),
    _equal("normalisation/unscaled", "blocks(scale=False)", "blocks(scale=False, bias=False)", MAPS),
    _equal("normalisation/unlearned", "blocks(False, False)", "blocks(False, False, bias=False)", MAPS),
    _equal("normalisation/small-bias", "small_bias", "small_bias", "8"),
    _different(
        "normalisation/unscaled-one",
        "blocks(scale=False)",
        "blocks(bias=False, epsilon=1e-5)",
        MAPS,
        layer="norm0",
        cause="weight;epsilon",
    ),
    _different("normalisation/unshifted-one", "blocks", "blocks(shift=False)", MAPS, layer="norm0", cause="beta"),
    _different(
        "normalisation/unlearned-one",
        "blocks",
        "blocks(False, False, 1e-5)",
        MAPS,
        layer="norm0",
        cause="beta;gamma;epsilon",
    ),
    _different(
        "normalisation/unbiased-stride",
        "blocks",
        "blocks(bias=False, epsilon=1.001e-3, strides=(2, 1, 1))",
        MAPS,
        layer="conv0 conv1",
        cause="bias;stride;epsilon",
    ),
    _different(
        "normalisation/untrained",
        "blocks(scale=False)",
        "blocks(scale=False, bias=False)",
        MAPS,
        training=True,
        layer="norm0",
        cause="bn-one-array;beta gets no gradient",
    ),
    _different(
        "normalisation/small-bias-left",
        "small_bias",
        "small_bias(False, 1e-5)",
        "8",
        layer="first",
        cause="bias;epsilon",
    ),
    _different("normalisation/batch-epsilon", "batch", "batch", IMAGE, layer="norm", cause="epsilon"),
    _different(
        "normalisation/batch-learned", "batch", "batch(epsilon=1e-3, learned=False)", IMAGE, layer="norm", cause="gamma"
    ),
    _different(
        "normalisation/batch-statistics",
        "batch(training=True)",
        "batch(epsilon=1e-3)",
        IMAGE,
        layer="norm",
        cause="training",
    ),
    _different("normalisation/layer-axes", "layer_axes", "layer_axes(everything=True)", "6,6,3", layer="norm"),
    _different(
        "normalisation/layer-epsilon", "layer_axes", "layer_axes(epsilon=1e-5)", "6,6,3", layer="norm", cause="epsilon"
    ),
    _different("normalisation/groups", "group", "group(groups=4)", "6,6,3", layer="norm", cause="groups"),
    _different("normalisation/rms-epsilon", "rms", "rms(epsilon=1e-5)", SEQUENCE, layer="norm", cause="epsilon"),
    _different("normalisation/rms-offset", "rms(offset=1.0)", "rms", SEQUENCE, layer="norm"),
    _different(
        "normalisation/unit-epsilon", "unit(epsilon=1e-3)", "unit(epsilon=1e-3)", "8", layer="unit", cause="epsilon"
    ),
    _different("normalisation/instance-epsilon", "instance(epsilon=1e-3)", "instance", "6,6,3", cause="epsilon"),
    _different("normalisation/weight-norm-axis", "weight_norm", "weight_norm(dim=0)", "8", layer="normed"),
    # Layers of the user's own.
    _equal("custom_layers/positions", "positions", "positions", SEQUENCE),
    _equal("custom_layers/class-token", "class_token", "class_token", IMAGE),
    _equal("custom_layers/layer-scale", "layer_scale", "layer_scale", "8"),
    _equal("custom_layers/temperature", "temperature", "temperature", "8"),
    _equal("custom_layers/slopes", "slopes", "slopes", "2"),
    _equal("custom_layers/prelu", "prelu", "prelu", "6,6,3"),
    _equal("custom_layers/buffer", "buffer", "buffer", "8"),
    _equal("custom_layers/relative-bias", "relative_bias", "relative_bias", "4,8"),
    _equal("custom_layers/sinusoids", "sinusoids", "sinusoids", SEQUENCE),
    _different("custom_layers/positions-missing", "positions", "positions(where='none')", SEQUENCE, layer="positions"),
    _different(
        "custom_layers/positions-after", "positions", "positions(where='after')", SEQUENCE, layer="positions norm"
    ),
    _different(
        "custom_layers/positions-of-normal",
        "positions(where='after', initializer='random_normal')",
        "positions",
        SEQUENCE,
        layer="positions norm",
    ),
    _different("custom_layers/class-token-last", "class_token", "class_token(last=True)", IMAGE, layer="class_token"),
    _different(
        "custom_layers/class-token-epsilon",
        "class_token",
        "class_token(epsilon=1e-5)",
        IMAGE,
        layer="norm",
        cause="epsilon",
    ),
    _different("custom_layers/layer-scale-missing", "layer_scale", "layer_scale(scaled=1)", "8", layer="scale1"),
    _different("custom_layers/layer-scale-around", "layer_scale", "layer_scale(around=True)", "8", layer="scale0 sum0"),
    _different(
        "custom_layers/temperature-missing",
        "temperature",
        "temperature(learned=False)",
        "8",
        layer="temperature softmax",
    ),
    _different(
        "custom_layers/temperature-inverse", "temperature(inverse=True)", "temperature", "8", layer="temperature"
    ),
    _different("custom_layers/slopes-shared", "slopes", "slopes(shared=True)", "2", layer="wave1 wave0"),
    _different("custom_layers/slopes-function", "slopes", "slopes(function='tanh')", "2", layer="wave0"),
    _different("custom_layers/prelu-axes", "prelu(shared=False)", "prelu", "6,6,3", layer="slopes", cause="slope"),
    _different("custom_layers/buffer-unused", "buffer", "buffer(used=False)", "8", layer="factors"),
    _different(
        "custom_layers/relative-bias-index", "relative_bias", "relative_bias(transposed=True)", "4,8", layer="attention"
    ),
    _different(
        "custom_layers/sinusoids-order", "sinusoids", "sinusoids(interleaved=True)", SEQUENCE, layer="embed add logits"
    ),
    # Fused layers.
    _equal("fused/attention", "attention", "attention", SEQUENCE),
    _equal("fused/attention-by-heads", "attention", "attention(order='heads-qkv')", SEQUENCE),
    _equal("fused/attention-chunks", "attention", "attention(order='chunks')", SEQUENCE),
    _equal("fused/glu", "gated", "gated", "8"),
    _equal("fused/glu-apart", "gated", "gated_apart", "8"),
    _equal("fused/swiglu", "gated(activation='silu')", "gated(activation='silu')", "8"),
    _equal("fused/experts", "experts", "experts", "8"),
    _equal("fused/separable", "separable", "separable", IMAGE),
    _equal("fused/heads", "heads", "heads", "8"),
    _equal("fused/heads-reordered", "heads", "heads(order=(2, 0, 1))", "8"),
    _equal("fused/keys", "keys", "keys", SEQUENCE),
    _equal("fused/signals", "signals", "signals", "8,3"),
    _equal("fused/joined-rows", "joined", "joined", "left=6", "right=4"),
    _equal("fused/apart", "apart", "apart", "8,8,3"),
    _equal("fused/apart-reverse", "apart", "apart(reverse=True)", "8,8,3"),
    _equal("fused/highway", "highway", "highway", "8"),
    _different("fused/apart-function", "apart", "apart(activation='relu6')", "8,8,3", layer="bend", cause="relu6"),
    _different("fused/highway-carried", "highway", "highway(carried=False)", "8", layer="highway0"),
    _different("fused/signals-function", "signals", "signals(swapped=True)", "8,3", cause="sigmoid"),
    _undecided("fused/signals-unused", "signals(unused=True)", "signals(unused=True)", "8,3"),
    _equal("fused/sentences", "sentences", "sentences", "3,5,4"),
    _different("fused/heads-function", "heads", "heads(exponential=True)", "8", layer="spread", cause="softplus"),
    _different("fused/keys-scale", "keys", "keys(0.5)", SEQUENCE),
    _different("fused/sentences-function", "sentences", "sentences('sigmoid')", "3,5,4", layer="word", cause="sigmoid"),
    _different(
        "fused/attention-scale", "attention", "attention(scaled=False)", SEQUENCE, layer="attention", cause="scale"
    ),
    _different(
        "fused/attention-epsilon", "attention", "attention(epsilon=1e-5)", SEQUENCE, layer="norm", cause="epsilon"
    ),
    _different(
        "fused/gate-function",
        "gated(activation='silu')",
        "gated",
        "8",
        layer="gate product",
        cause="sigmoid",
    ),
    _different("fused/gate-both", "gated", "gated(both=True)", "8", layer="value product gate"),
    _different(
        "fused/gate-apart-function",
        "gated",
        "gated_apart(activation='hardsigmoid')",
        "8",
        layer="gate product",
        cause="sigmoid",
    ),
    _different("fused/experts-router", "experts", "experts(normalised=False)", "8", layer="router", cause="softmax"),
    _different("fused/separable-middle", "separable", "separable(middle=True)", IMAGE, layer="separable", cause="relu"),
    # Shared layers.
    _equal("siamese/distance", "distance", "distance", LEFT, RIGHT),
    _equal("siamese/distance-channels-first", "distance", "distance(transposed=False)", LEFT, RIGHT),
    _equal("siamese/recurring", "recurring", "recurring", "6"),
    _equal("siamese/triplet", "triplet", "triplet", "anchor=6", "near=6", "far=6"),
    _different("siamese/distance-unshared", "distance", "distance(shared=False)", LEFT, RIGHT, cause="shared"),
    _different("siamese/distance-floor", "distance(floor=1e-3)", "distance", LEFT, RIGHT),
    _different("siamese/recurring-times", "recurring", "recurring(times=2)", "6", layer="step out"),
    _different("siamese/recurring-unshared", "recurring", "recurring(shared=False)", "6", layer="step", cause="shared"),
    _different(
        "siamese/triplet-dot", "triplet", "triplet(normalised=False)", "anchor=6", "near=6", "far=6", layer="cosine"
    ),
    # Padding.
    _equal("padding/same-odd", "strided", "strided", "9,9,3"),
    _equal("padding/same-even", "strided(size=8)", "strided(padding='SAME')", IMAGE),
    _equal("padding/same-layer", "strided(size=8)", "strided(how='layer', padding=(0, 1, 0, 1))", IMAGE),
    _equal("padding/same-function", "strided(size=8)", "strided(how='function', padding=(0, 1, 0, 1))", IMAGE),
    _equal("padding/same-crop", "strided(size=8)", "strided(how='crop')", IMAGE),
    _equal(
        "padding/layer-both", "strided(size=8, padding='layer')", "strided(how='layer', padding=(0, 1, 0, 1))", IMAGE
    ),
    _equal("padding/layer-inside", "strided(size=8, padding='layer')", "strided(padding=[0, 1, 0, 1])", IMAGE),
    _equal("padding/mirrored", "mirrored", "mirrored", IMAGE),
    _equal(
        "padding/mirrored-by-one", "mirrored(mode='symmetric', width=1)", "mirrored(mode='replicate', width=1)", IMAGE
    ),
    _equal("padding/causal", "causal", "causal", "16,3"),
    _equal("padding/value", "value(value=-3.0)", "value(value=-3.0)", IMAGE),
    _equal("padding/value-after-relu", "value", "value(inside=True)", IMAGE),
    _equal("padding/prepared", "prepared", "prepared(padding=[0, 1, 0, 1])", IMAGE),
    _different("padding/unprepared", "prepared", "prepared(False)", IMAGE, layer="prepare", cause="scale;padding"),
    _equal("padding/bordered", "bordered", "bordered", "9,9,3"),
    _different("padding/bordered-by-zeros", "bordered", "bordered(value=0.0)", "9,9,3", layer="pool", cause="-inf"),
    _different("padding/symmetric", "strided(size=8)", "strided", IMAGE, layer="conv", cause="padding"),
    _different(
        "padding/order-of-sides",
        "strided(size=8)",
        "strided(how='function', padding=(1, 0, 1, 0))",
        IMAGE,
        layer="conv",
        cause="padding",
    ),
    _different("padding/mode", "mirrored", "mirrored(mode='constant')", IMAGE, layer="pad conv", cause="reflect"),
    _different(
        "padding/mode-symmetric", "mirrored(mode='symmetric')", "mirrored", IMAGE, layer="pad conv", cause="symmetric"
    ),
    _different(
        "padding/causal-both-sides", "causal", "causal(both_sides=True)", "16,3", layer="dilated1", cause="padding"
    ),
    _different(
        "padding/causal-dilation", "causal", "causal(dilations=(1, 2, 2))", "16,3", layer="dilated4", cause="dilation"
    ),
    _different("padding/value-other", "value(value=5.0)", "value", IMAGE, layer="pad pool conv", cause="pad"),
    _different(
        "padding/value-inside", "value(value=5.0)", "value(inside=True)", IMAGE, layer="pad pool conv", cause="pad"
    ),
    # Ends.
    _equal("outputs/regression", "regression", "regression", "8"),
    _equal("outputs/squeezed-both", "regression(squeezed=True)", "regression(squeezed=True)", "8"),
    _equal("outputs/frames", "frames", "frames", "10,4"),
    _equal("outputs/classes", "classes", "classes", "8"),
    _equal("outputs/dict", "dict", "dict", "8"),
    _equal("outputs/dict-tuple", "dict", "dict(as_tuple=True)", "8"),
    _equal("outputs/unit", "unit", "unit", "8"),
    _equal("outputs/softmax", "softmax", "softmax", "6,5"),
    _equal("outputs/cumulative", "cumulative", "cumulative", "6,5"),
    _equal("outputs/nested", "nested", "nested", "8"),
    _equal("outputs/auxiliary", "auxiliary", "auxiliary", "8"),
    _different("outputs/squeezed", "regression", "regression(squeezed=True)", "8", layer="value", cause="shape"),
    _different("outputs/squeezed-keras", "regression(squeezed=True)", "regression", "8", cause="shape"),
    _different(
        "outputs/frames-first", "frames", "frames(transposed_back=False)", "10,4", layer="logits", cause="transpos"
    ),
    _different("outputs/frames-reshaped", "frames", "frames(back=False)", "10,4", layer="logits"),
    _different("outputs/classes-lowest", "classes", "classes(lowest=True)", "8"),
    _different("outputs/classes-second", "classes", "classes(second=True)", "8"),
    _different("outputs/dict-exchanged", "dict", "dict(exchanged=True)", "8", layer="mean spread"),
    _different("outputs/unit-norm", "unit", "unit(norm=1)", "8", layer="unit"),
    _different("outputs/softmax-axis", "softmax", "softmax(axis=1)", "6,5", layer="softmax", cause="axis"),
    _different("outputs/softmax-log", "softmax", "softmax(log=True)", "6,5", layer="softmax", cause="softmax"),
    _different("outputs/cumulative-exclusive", "cumulative", "cumulative(exclusive=True)", "6,5"),
    _different("outputs/nested-before", "nested", "nested(before=True)", "8", layer="features"),
    # Noise.
    _equal("random_layers/vae", "vae", "vae", "8"),
    _equal("random_layers/vae-float32", "vae", "vae", "8", dtype="float32"),
    _equal("random_layers/monte-carlo", "monte_carlo", "monte_carlo", "8"),
    _equal("random_layers/noise", "noise", "noise", "8"),
    _equal("random_layers/dropout", "dropout", "dropout", IMAGE, training=True),
    _equal("random_layers/dropout-spatial", "dropout(spatial=True)", "dropout(spatial=True)", IMAGE, training=True),
    _different("random_layers/vae-half", "vae", "vae(half=False)", "8", layer="sampling"),
    _different("random_layers/vae-half-float32", "vae", "vae(half=False)", "8", dtype="float32", layer="sampling"),
    _different("random_layers/vae-mean", "vae", "vae(sampled=False)", "8", layer="sampling"),
    _different(
        "random_layers/monte-carlo-missing",
        "monte_carlo",
        "monte_carlo(always=False)",
        "8",
        layer="dropout",
        cause="dropout",
    ),
    _different(
        "random_layers/monte-carlo-rate", "monte_carlo", "monte_carlo(rate=0.3)", "8", layer="dropout", cause="rate"
    ),
    _different("random_layers/noise-always", "noise", "noise(always=True)", "8", layer="noise hidden"),
    _different(
        "random_layers/dropout-mode",
        "dropout",
        "dropout(mode='downscale_in_infer')",
        IMAGE,
        layer="dropout",
        cause="dropout",
    ),
    _different(
        "random_layers/dropout-kind",
        "dropout(spatial=True)",
        "dropout",
        IMAGE,
        training=True,
        layer="dropout",
        cause="dropout",
    ),
    # Volumes.
    _equal("volumes/classifier", "classifier", "classifier", "6,7,8,2"),
    _equal("volumes/segmentation", "segmentation", "segmentation", "4,6,6,2"),
    _equal("volumes/segmentation-average", "segmentation('average')", "segmentation('average')", "4,6,6,2"),
    _equal("volumes/segmentation-convolution", "segmentation('convolution')", "segmentation('convolution')", "4,6,6,2"),
    _equal("volumes/rows", "rows", "rows", "4,4,4,2"),
    _different(
        "volumes/classifier-padding", "classifier", "classifier(padding=1)", "6,7,8,2", layer="conv", cause="padding"
    ),
    _different(
        "volumes/classifier-epsilon", "classifier", "classifier(epsilon=1e-3)", "6,7,8,2", layer="norm", cause="epsilon"
    ),
    _different(
        "volumes/segmentation-pool",
        "segmentation",
        "segmentation(pool='average')",
        "4,6,6,2",
        layer="pool",
        cause="pool",
    ),
    _different("volumes/rows-order", "rows", "rows(transposed=(0, 3, 2, 4, 1))", "4,4,4,2", layer="rows"),
    # Precision.
    _equal("precision/standardise", "standardise", "standardise", IMAGE),
    _equal("precision/rescaling", "rescaling", "rescaling", IMAGE),
    _equal("precision/cast", "cast", "cast", "8"),
    _equal("precision/last-float32", "last_float32", "last_float32", "8"),
    _equal("precision/float32-only", "float32_only", "float32_only", "3"),
    _equal("precision/bfloat16", "bfloat16", "bfloat16", "8"),
    _equal("precision/scaled", "scaled", "scaled", "8"),
    _equal("precision/scaled-half", "scaled('float16')", "scaled(dtype='float16')", "8"),
    _different("precision/standardise-order", "standardise", "standardise(swapped=True)", IMAGE),
    _different("precision/standardise-channels", "standardise", "standardise(ordered=False)", IMAGE),
    _different("precision/rescaling-offset", "rescaling", "rescaling(offset=0.0)", IMAGE, layer="rescaling"),
    _different("precision/rescaling-divisor", "rescaling", "rescaling(divisor=127.0)", IMAGE, layer="rescaling"),
    _different("precision/cast-temperature", "cast", "cast(temperature=1.1)", "8"),
    _different(
        "precision/last-float32-activation",
        "last_float32",
        "last_float32(activation='GELU')",
        "8",
        layer="hidden",
        cause="gelu",
    ),
    _different("precision/float32-only-rates", "float32_only", "float32_only(rate=2.1)", "3", layer="frequencies"),
    _different("precision/bfloat16-relu", "bfloat16", "bfloat16(relu=False)", "8", layer="hidden", cause="relu"),
    _different("precision/scaled-relu", "scaled", "scaled(relu=False)", "8", layer="scaled", cause="relu"),
    # Building.
    _equal("building/named-parameters", "rows", "named_parameters", "8"),
    _equal("building/optional-import", "rows", "optional_import", "8"),
    _equal("building/bias", "rows", "rows", "8"),
    _equal("building/no-bias", "rows(bias=False)", "rows(bias=False)", "8"),
    _different("building/bias-tensorflow-only", "rows", "rows(bias=False)", "8", layer="logits", cause="bias"),
    _different("building/bias-paddle-only", "rows(bias=False)", "rows", "8", layer="logits", cause="bias"),
    _different(
        "building/optional-import-activation", "rows", "optional_import(relu=False)", "8", layer="hidden", cause="tanh"
    ),
    _equal("building/tf-function", "function", "named_parameters", "8"),
    _equal("building/subclass", "subclass", "subclass", "8"),
    _equal("building/gather", "gather", "gather", "8"),
    _equal("building/statistics", "statistics", "statistics", "4"),
    _equal("building/lambda", "lambda", "lambda", "8"),
    _equal("building/one-hot", "one_hot", "one_hot", "4", tokens=5),
    _different(
        "building/named-parameters-activation",
        "rows",
        "named_parameters(activation='ReLU6')",
        "8",
        layer="hidden",
        cause="relu6",
    ),
    _different(
        "building/tf-function-activation",
        "function(activation='elu')",
        "named_parameters",
        "8",
        layer="hidden",
        cause="elu",
    ),
    _different(
        "building/subclass-gelu", "subclass", "subclass(approximate=True)", "8", layer="block0 wide", cause="gelu"
    ),
    _different("building/subclass-residual", "subclass(add=False)", "subclass", "8", layer="block0 narrow"),
    _different("building/subclass-blocks", "subclass", "subclass(blocks=3)", "8"),
    _different("building/gather-order", "gather", "gather(order=(0, 1, 2, 3, 4, 5))", "8", layer="hidden logits"),
    _different("building/statistics-variance", "statistics", "statistics(root=False)", "4", layer="standardise"),
    _different("building/lambda-power", "lambda(power=3)", "lambda", "8", layer="bend"),
    _different("building/lambda-constant", "lambda", "lambda(one=1.001)", "8", layer="bend"),
    _different(
        "building/one-hot-shifted", "one_hot", "one_hot(shifted=True)", "4", tokens=5, layer="one_hot rows logits"
    ),
    # Ends that ordinary inputs do not reach.
    _equal("clips/relu6", "bounded", "bounded", "8"),
    _equal("clips/hard-sigmoid", "bounded('hard_sigmoid')", "bounded('hardsigmoid')", "8"),
    _equal(
        "clips/hard-sigmoid-of-keras-2",
        "bounded('sigmoid02')",
        "bounded('hardsigmoid', slope=0.2, offset=0.5)",
        "8",
    ),
    _equal("clips/hard-tanh", "bounded('hard_tanh')", "bounded('hardtanh')", "8"),
    _equal("clips/clip", "bounded('clip')", "bounded('clip', min=-50.0, max=50.0)", "8"),
    _equal("clips/clip-without-effect", "bounded('probability')", "bounded('sigmoid')", "8"),
    _equal("clips/bounded-twice", "bounded_twice", "bounded_twice", "8"),
    _equal("clips/hard-swish", "hard_swish", "hard_swish", "6,6,3"),
    _equal("clips/log-probability", "log_probability", "log_probability", "8"),
    _different("clips/bounded-twice-relu", "bounded_twice", "bounded_twice('ReLU')", "8", layer="bend", cause="relu6"),
    _different("clips/relu6-missing", "bounded", "bounded('relu')", "8", layer="bend", cause="relu6"),
    _different("clips/clip-20", "bounded('clip20')", "bounded('relu')", "8", cause="20"),
    _different("clips/clip-missing", "bounded('clip')", "bounded('identity')", "8", layer="hidden logits", cause="50"),
    _different(
        "clips/hard-tanh-bounds", "bounded('uneven')", "bounded('hardtanh', min=-2.0, max=2.0)", "8", cause="2.5"
    ),
    _different("clips/hard-sigmoid-slope", "bounded('sigmoid02')", "bounded('hardsigmoid')", "8", cause="0.2"),
    _different(
        "clips/hard-sigmoid-soft", "bounded('hard_sigmoid')", "bounded('sigmoid')", "8", layer="bend", cause="sigmoid"
    ),
    _different("clips/hard-swish-soft", "hard_swish", "hard_swish('Silu')", "6,6,3", layer="swish plus3", cause="silu"),
    _different(
        "clips/log-probability-floor",
        "log_probability",
        "log_probability(floor=None)",
        "8",
        layer="probabilities",
        cause="clip",
    ),
    _equal("clips/log-variance", "log_variance", "log_variance", "x=8", "noise=3"),
    _different(
        "clips/log-variance-largest",
        "log_variance",
        "log_variance(largest=20.0)",
        "x=8",
        "noise=3",
        layer="clip",
        cause="largest",
    ),
    _different(
        "clips/log-variance-without-bias",
        "log_variance(bias=False)",
        "log_variance(bias=False, smallest=-30.0)",
        "x=8",
        "noise=3",
        layer="clip",
        cause="smallest",
    ),
    _different(
        "clips/log-variance-missing",
        "log_variance",
        "log_variance(smallest=None, largest=None)",
        "x=8",
        "noise=3",
        layer="variance clip",
        cause="clip",
    ),
    # Images.
    _equal("images/convnext", "convnext", "convnext", IMAGE),
    _equal("images/squeeze-excite", "squeeze_excite", "squeeze_excite", IMAGE),
    _equal("images/squeeze-excite-reshape", "squeeze_excite", "squeeze_excite(how='reshape')", IMAGE),
    _equal("images/squeeze-excite-convolution", "squeeze_excite", "squeeze_excite(how='convolution')", IMAGE),
    _equal("images/narrow", "narrow", "narrow", "6,6,3", training=True),
    _undecided("images/narrow-dead", "narrow(dead=True)", "narrow(dead=True)", "6,6,3", training=True),
    _equal("images/inverted", "inverted", "inverted", "8,8,4"),
    _equal("images/average-pool", "pooled", "pooled", "9,9,3"),
    _equal("images/average-pool-even", "pooled(size=2)", "pooled(size=2, padding='SAME')", "9,9,3"),
    _equal("images/average-pool-training", "pooled(size=2)", "pooled(size=2, padding='SAME')", "9,9,3", training=True),
    _equal("images/max-pool-ceil", "pooled('max', size=2)", "pooled('max', 0, ceil_mode=True, size=2)", "9,9,3"),
    _equal("images/adaptive", "adaptive", "adaptive", "10,10,3"),
    _equal("images/adaptive-training", "adaptive", "adaptive", "10,10,3", training=True),
    _equal("images/residual", "residual", "residual", "8,8,4"),
    _equal("images/dilated", "dilated", "dilated", "10,10,4"),
    _equal("images/grouped", "dilated(groups=2)", "dilated(groups=2)", "10,10,4"),
    _equal("images/bottleneck", "bottleneck", "bottleneck", IMAGE),
    _equal("images/text", "text", "text", "12", tokens=60),
    _different("images/bottleneck-stride", "bottleneck", "bottleneck(1, 2)", IMAGE, layer="reduce", cause="stride"),
    _different(
        "images/bottleneck-stride-and-bias",
        "bottleneck",
        "bottleneck(1, 2, bias=False)",
        IMAGE,
        layer="reduce",
        cause="reduce / 0: conv stride; spatial / 3: conv stride; reduce/bias (4) exists in TensorFlow only",
    ),
    _different("images/convnext-epsilon", "convnext", "convnext(epsilon=1e-5)", IMAGE, layer="norm", cause="epsilon"),
    _different("images/convnext-gelu", "convnext", "convnext(approximate=True)", IMAGE, layer="bend", cause="gelu"),
    _different(
        "images/squeeze-excite-gate",
        "squeeze_excite",
        "squeeze_excite(gate='hardsigmoid')",
        IMAGE,
        layer="excite",
        cause="sigmoid",
    ),
    _different(
        "images/squeeze-excite-two-differences",
        "squeeze_excite",
        "squeeze_excite(gate='hardsigmoid', squeeze='silu')",
        IMAGE,
        layer="reduce",
        cause="silu; hard",
    ),
    _different(
        "images/squeeze-excite-inside",
        "squeeze_excite",
        "squeeze_excite(squeeze='silu')",
        IMAGE,
        layer="reduce",
        cause="silu",
    ),
    _different(
        "images/squeeze-excite-pool",
        "squeeze_excite",
        "squeeze_excite(pool='max')",
        IMAGE,
        layer="squeeze",
        cause="pool",
    ),
    _different(
        "images/inverted-activation",
        "inverted",
        "inverted(activation='ReLU')",
        "8,8,4",
        layer="expand_bend",
        cause="relu6",
    ),
    _different(
        "images/inverted-epsilon", "inverted", "inverted(epsilon=1e-5)", "8,8,4", layer="expand_norm", cause="epsilon"
    ),
    _different(
        "images/inverted-three-differences",
        "inverted",
        "inverted(activation='ReLU', epsilon=1e-5, residual=False)",
        "8,8,4",
        layer="expand_norm",
        cause="epsilon; relu6",
    ),
    _different(
        "images/inverted-linear", "inverted", "inverted(linear=False)", "8,8,4", layer="project_norm sum", cause="relu6"
    ),
    _different("images/inverted-residual", "inverted", "inverted(residual=False)", "8,8,4", layer="sum"),
    _different("images/count-padding", "pooled", "pooled(exclusive=False)", "9,9,3", layer="pool", cause="exclusive"),
    _different(
        "images/ceil-mode", "pooled('max', size=2)", "pooled('max', 0, size=2)", "9,9,3", layer="pool", cause="padding"
    ),
    _different(
        "images/padding-side",
        "pooled(size=2)",
        "pooled(size=2, padding=[1, 0, 1, 0])",
        "9,9,3",
        layer="pool",
        cause="padding",
    ),
    _different("images/adaptive-windows", "adaptive('even')", "adaptive", "10,10,3", layer="pool", cause="window"),
    _different("images/residual-last", "residual", "residual(last=False)", "8,8,4", layer="bend2", cause="relu"),
    _different(
        "images/residual-early", "residual", "residual(early=True)", "8,8,4", layer="sum bend2 norm2", cause="relu"
    ),
    _different("images/residual-bias", "residual", "residual(bias=False)", "8,8,4", layer="conv2", cause="bias"),
    _different(
        "images/dilated-same", "dilated", "dilated(padding='SAME')", "10,10,4", layer="atrous", cause="dilation"
    ),
    _different("images/leaky-slope", "dilated", "dilated(slope=0.01)", "10,10,4", layer="atrous", cause="slope"),
    _different(
        "images/text-order",
        "text",
        "text(order=(2, 1, 0))",
        "12",
        tokens=60,
        layer="join",
        cause="order of concatenation",
    ),
    _different("images/text-relu", "text", "text(relu=False)", "12", tokens=60, layer="conv2", cause="relu"),
    _different(
        "normalisation/batch-momentum",
        "batch",
        "batch(epsilon=1e-3)",
        IMAGE,
        training=True,
        layer="norm",
        cause="momentum",
    ),
    # What layers take.
    _equal("wiring/deconvolved", "deconvolved", "deconvolved", "8,3"),
    _different("wiring/elu-alpha", "deconvolved", "deconvolved(alpha=0.3)", "8,3", layer="up", cause="elu (alpha 1)"),
    _equal("wiring/blurred", "blurred", "blurred", "9,9,3"),
    _different(
        "wiring/blurred-border", "blurred", "blurred('replicate')", "9,9,3", layer="blur", cause="pad mode;reflect"
    ),
    _equal("wiring/branches", "branches", "branches", "4,4,12"),
    _different(
        "wiring/branches-epsilon",
        "branches(3)",
        "branches(3, 1e-5, None)",
        "4,4,12",
        cause="weight;epsilon",
    ),
    _equal("wiring/decoder", "decoder", "decoder", "6,3"),
    _different("wiring/decoder-state", "decoder", "decoder(cell=False)", "6,3", layer="decoder", cause="initial state"),
    _equal("wiring/colours", "colours", "colours", "8,8,3"),
    _different(
        "wiring/colours-order", "colours", "colours(turned=False)", "8,8,3", layer="prepare", cause="order along axis 1"
    ),
    _equal("wiring/graph", "graph", "graph", "x=5,4", "edges=5,5"),
    _different(
        "wiring/graph-loops",
        "graph",
        "graph(loops=False)",
        "x=5,4",
        "edges=5,5",
        layer="graph1",
        cause="add (add) exists in TensorFlow only",
    ),
    _equal("wiring/token", "token", "token", "8,8,3"),
    _different("wiring/token-bias", "token", "token(bias=False)", "8,8,3", layer="patch", cause="bias"),
    _equal("wiring/product", "product", "product", "one=5", "other=4"),
    _different(
        "wiring/product-mean", "product", "product('mean')", "one=5", "other=4", layer="inner", cause="reduction"
    ),
    _equal("wiring/pooled", "pooled_branch", "pooled_branch", "8,8,3"),
    _different(
        "wiring/pooled-largest",
        "pooled_branch",
        "pooled_branch('AdaptiveMaxPool2D')",
        "8,8,3",
        layer="means",
        cause="global_max_pool",
    ),
    _equal("wiring/gated", "gated", "gated", "6,8"),
    _different("wiring/gate-missing", "gated", "gated(gate=False)", "6,8", layer="gate", cause="sigmoid"),
    _equal("wiring/rolled", "rolled", "rolled", "5,8"),
    _different("wiring/rolled-forward", "rolled", "rolled(1)", "5,8", layer="attention"),
    _equal("wiring/biased", "biased", "biased", "8"),
    _different(
        "wiring/biases-missing",
        "biased",
        "biased(bias=False)",
        "8",
        cause="large: the array large/bias (6) exists in TensorFlow only;usual: the array usual/bias (4) exists in",
    ),
    # Arrays that the user's own code takes.
    _equal("own_arrays/stacked", "stacked", "experts", "6"),
    _equal("own_arrays/listed", "listed", "experts(router_bias=True)", "6"),
    _equal("own_arrays/transitions", "transitions", "transitions", "4,3"),
    _equal("own_arrays/learned-start", "learned_start", "learned_start", "4,3"),
    _equal("own_arrays/gated", "gated", "gated", "5,3"),
    _equal("own_arrays/generator", "generator", "generator", "5"),
    _equal("own_arrays/standardised", "standardised", "standardised", "6,6,3"),
    _equal("own_arrays/crossed", "crossed", "crossed", "6"),
    _different("own_arrays/listed-axis", "listed", "experts(router_bias=True, over=0)", "6"),
    _different("own_arrays/transitions-backwards", "transitions", "transitions(backwards=True)", "4,3", layer="paths"),
    _different("own_arrays/learned-start-unused", "learned_start", "learned_start(used=False)", "4,3"),
    _different("own_arrays/gated-function", "gated", "gated('tanh')", "5,3", layer="memory"),
    _different("own_arrays/generator-slope", "generator", "generator(0.2)", "5", layer="leaky", cause="slope"),
    _different(
        "own_arrays/standardised-unbiased",
        "standardised",
        "standardised(unbiased=True)",
        "6,6,3",
        layer="standardised",
    ),
    _different("own_arrays/spectral", "spectral", "spectral", "6", layer="spectral dense"),
    _different("own_arrays/crossed-residual", "crossed", "crossed(residual=False)", "6"),
    _equal("masks/causal-number", "causal", "causal", SEQUENCE),
    _different("masks/causal-missing", "causal", "causal(0.0)", SEQUENCE),
    # Beside a bound that stands for infinity, one that does not: the first excuses nothing of the second.
    _different("masks/causal-clipped", "causal(most=1000.0)", "causal", SEQUENCE),
    _equal("clips/log-softmax", "log_softmax", "log_softmax", "5"),
    _different("clips/log-softmax-clipped", "log_softmax('relu6')", "log_softmax", "5"),
    _equal("precision/rescaling-training", "rescaling", "rescaling", IMAGE, training=True),
    _equal("outputs/places", "places", "places", "6,5"),
    _different("outputs/places-smallest", "places", "places(largest=False)", "6,5"),
)
