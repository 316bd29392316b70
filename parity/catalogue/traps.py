"""The traps of a migration as data: where the frameworks differ unnoticed, and the faults that stand for each trap.

A fault is put into one built twin, or into what it is sent. The suite must then fail at the level that is named, give
the stage where the fault was put, and name the trap: see `parity.faults.detection`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

BOTH = ("paddle", "tensorflow")


@dataclass(frozen=True)
class Trap:
    """One way in which a migrated network comes to compute something else.

    Attributes:
        id: by which diagnoses name it.
        title: what is different.
        fix: what to do about it.
        elsewhere: why it cannot be put into a twin of this suite; empty where it can.
    """

    id: str
    title: str
    fix: str
    elsewhere: str = ""


class FaultName(StrEnum):
    """The faults by name: the keys of the tables in the packages' `faults.py` and in `parity.faults.tampering`.

    The values are what saved runs and reports show.
    """

    SYMMETRIC_PADDING = "symmetric padding"
    OTHER_EPSILON = "other epsilon"
    OTHER_MOMENTUM = "other momentum"
    UNROUNDED_CONSTANTS = "unrounded constants"
    UNBIASED_VARIANCE = "unbiased variance"
    FROZEN_STATISTICS = "frozen statistics"
    BATCH_STATISTICS = "batch statistics"
    ROWS_IN_ANOTHER_ORDER = "rows in another order"
    SWAPPED_KERNEL_AXES = "swapped kernel axes"
    TRANSPOSED_KERNEL = "transposed kernel"
    GAMMA_FOR_BETA = "gamma for beta"
    MEAN_FOR_VARIANCE = "mean for variance"
    ANOTHER_KERNEL = "another layer's kernel"
    HALF_THE_DECAY = "half the decay"
    ANOTHER_SCOPE_OF_DECAY = "another scope of decay"
    DECOUPLED_DECAY = "decoupled decay"
    FOLDED_RATE = "folded rate"
    THE_OTHER_MOMENTUM = "the other momentum"
    THE_OTHER_EPSILON = "the other epsilon"
    EPSILON_HAT = "epsilon hat"
    RATES_ONE_STEP_LATE = "rates one step late"
    SOFTMAX_TWICE = "softmax twice"
    LABEL_COLUMN = "label column"
    KEEP_PROBABILITY = "keep probability"
    INFERENCE_SCALING = "inference scaling"
    AVERAGED_WINDOW = "averaged window"
    RELU_MISSING = "relu missing"
    CLIPPED_AT_20 = "clipped at 20"
    RELU_ADDED = "relu added"
    BIAS_LEFT_OUT = "bias left out"
    BIAS_LOST = "bias lost"
    BGR = "BGR"
    CHANNELS_FIRST_BY_RESHAPE = "channels first by reshape"
    NO_SCALING = "no scaling"
    MEAN_PER_CHANNEL = "mean of each channel"
    REDUCED_PRECISION = "reduced precision"
    ONE_NAN = "one nan"
    GRADIENTS_OF_NORM_100_AT_MOST = "gradients of norm 100 at most"
    GRADIENTS_OF_10_AT_MOST = "gradients of 10 at most"
    SMALL_GRADIENTS_DROPPED = "small gradients dropped"
    A_TENTH_OF_THE_GRADIENTS = "a tenth of the gradients"
    FORGOTTEN_MEMORY = "forgotten memory"
    LOSS_OF_64_AT_MOST = "loss of 64 at most"
    CLIPPED_PROBABILITIES = "clipped probabilities"
    LESS_BATCH_MEAN = "less the batch's mean"
    WITHOUT_THE_MEAN = "without the mean"
    LAST_BATCH_DROPPED = "last batch dropped"
    EVALUATION_IN_TRAINING_MODE = "evaluation in training mode"
    INFERENCE_MODE_AFTERWARDS = "inference mode afterwards"
    SHIFTED_TEST_LABELS = "shifted test labels"
    WEIGHTS_FROM_BEFORE = "weights from before"
    BEST_FIVE = "best five"
    LAST_CLASS_NOT_COUNTED = "last class not counted"
    ROUNDED_LOGITS = "rounded logits"
    COUNT_IN_A_BYTE = "count in a byte"
    EVALUATED_LOSS_OF_16_AT_MOST = "evaluated loss of 16 at most"
    LOSS_OF_THE_LAST_STEP = "loss of the last step"
    MEMORY_NOT_RESTORED = "memory not restored"
    BIASES_ZEROED = "biases zeroed"
    WEIGHTS_IN_FLOAT16 = "weights in float16"
    HALF_THE_GRADIENT = "half the gradient"
    LEAKING_GRADIENT = "leaking gradient"
    GAMMA_WITHOUT_GRADIENT = "gamma without gradient"
    BIAS_WITHOUT_GRADIENT = "bias without gradient"
    CUT_AT_20_IN_FLOAT32 = "cut at 20 in float32"
    THE_OTHER_EPSILON_IN_FLOAT32 = "the other epsilon in float32"
    WRAPPED_COUNTER = "wrapped counter"
    FORGOTTEN_WHERE_EPOCHS_BEGIN = "forgotten where epochs begin"


@dataclass(frozen=True)
class Fault:
    """One form of a trap that can be put into a twin.

    Attributes:
        trap: the trap's id.
        change: what is changed.
        where: a kind of site, see `parity.faults.sites`.
        level: the first level that must fail.
        frameworks: those that can have it.
    """

    trap: str
    change: FaultName
    where: str  # a kind of site, see `parity.faults.sites`
    level: int
    frameworks: tuple[str, ...] = BOTH


TRAPS: dict[str, Trap] = {
    trap.id: trap
    for trap in (
        Trap(
            "same-pad",
            "a convolution with stride 2 pads every side alike, where SAME pads bottom and right only",
            "pad by SAME in both, or bottom and right explicitly: [0, 1, 0, 1] for a 3x3 kernel on an even map",
        ),
        Trap(
            "pool-pad",
            "a max-pool with stride 2 pads every side alike, where SAME pads bottom and right only",
            "pad by SAME in both; in Paddle ceil_mode=True with padding 0 is the same on an even map",
        ),
        Trap(
            "avg-pool-exclusive",
            "an average pool counts its padding",
            "exclusive=True in Paddle leaves it out, as TensorFlow does",
            elsewhere="no network of the catalogue pads an average pool",
        ),
        Trap("bn-epsilon", "batch norm with another epsilon", "the same epsilon in both: Keras 1e-3, Paddle 1e-5"),
        Trap("bn-momentum", "batch norm with another momentum", "the same momentum in both: Keras 0.99, Paddle 0.9"),
        Trap(
            "bn-attr-f32",
            "batch norm's constants are float64 numbers, where Paddle's are float32",
            "round momentum and epsilon to float32 in both",
        ),
        Trap(
            "bn-unbiased",
            "the running variance is moved by the variance with n - 1",
            "take the biased variance in both: multiply the kernel's by (n - 1) / n",
        ),
        Trap(
            "bn-frozen",
            "running statistics are not updated in training, or not used in inference",
            "training mode in training, inference mode in inference; trainable statistics",
        ),
        Trap(
            "flatten-order",
            "the rows of the first fully connected layer are in another order than its input",
            "permute the kernel's rows between height, width, channel and channel, height, width",
        ),
        Trap(
            "conv-layout",
            "a kernel's axes are in another order",
            "transpose (2, 3, 1, 0) from OIHW to HWIO, (3, 2, 0, 1) back",
        ),
        Trap(
            "dense-layout",
            "a fully connected layer's kernel is transposed",
            "no transpose: both frameworks store [in, out]",
        ),
        Trap("bias-swap", "two arrays of one shape are exchanged", "transfer by name, not by shape or position"),
        Trap(
            "l2-half",
            "weight decay of half or twice the size",
            "Paddle's L2Decay(c) adds c * w to the gradient, Keras's L2(c) adds 2 * c * w",
        ),
        Trap(
            "decay-scope",
            "weight decay acts on other arrays",
            "leave batch norm and biases out in both, or in neither",
        ),
        Trap(
            "decay-decoupled",
            "weight decay beside the gradient's step, not in the gradient",
            "Keras's weight_decay= is decoupled; use a kernel regularizer, or decoupled decay in both",
        ),
        Trap(
            "momentum-lr",
            "the velocity holds the learning rate, so that a change of the rate comes late",
            "v = momentum * v + g; w -= rate * v in both",
        ),
        Trap("nesterov", "Nesterov's momentum for the plain one, or the reverse", "the same flag in both"),
        Trap(
            "adam-epsilon",
            "Adam with another epsilon, or with it in another place",
            "the same epsilon beside the corrected root in both: Keras 1e-7 beside the uncorrected, Paddle 1e-8",
        ),
        Trap("lr-boundary", "the learning rate changes one step late", "epochs and steps counted alike; < or <="),
        Trap(
            "lr-cosine",
            "a cosine schedule that rises again",
            "compute the rates once and hand them to both",
            elsewhere="rates are computed once, in parity/catalogue/recipes.py, and no recipe has a cosine",
        ),
        Trap(
            "lr-exponential",
            "exponential decay by the step or by the number of decay steps",
            "compute the rates once and hand them to both",
            elsewhere="rates are computed once, in parity/catalogue/recipes.py, and no recipe decays exponentially",
        ),
        Trap("softmax-twice", "cross entropy of probabilities taken for logits", "logits into the loss, softmax once"),
        Trap("label-shape", "labels [n, 1] against losses [n] are broadcast", "labels as integers [n] in both"),
        Trap(
            "init",
            "other initial weights",
            "draw the weights once and transfer them",
            elsewhere="initial weights are drawn once and transferred; trainings compare their digests",
        ),
        Trap(
            "dropout-mode",
            "dropout scales in inference instead of training, or its rate is what is kept",
            "upscale in training, rate = 1 - keep_prob, in both",
        ),
        Trap(
            "lrn",
            "local response normalisation averages over its window instead of adding up",
            "alpha of Paddle = alpha of TensorFlow * window size",
        ),
        Trap(
            "act-default",
            "an activation or layer norm with the other framework's default constants",
            "write the constants out: LeakyReLU 0.3 and 0.01, LayerNorm epsilon 1e-3 and 1e-5",
            elsewhere="no network of the catalogue has a LeakyReLU or a layer norm",
        ),
        Trap(
            "softmax-floor",
            "a loss that is cut: Paddle's softmaxes on a CPU take no logit for more than 64 below the largest",
            "write the loss, or the log softmax, with paddle.logsumexp, which has no such floor",
        ),
        Trap(
            "act-other",
            "another activation function",
            "the same function in both: Keras's MobileNets have ReLU6 where Paddle's have ReLU",
            elsewhere="the twins' activations are all ReLU, and relu-missing takes that one away",
        ),
        Trap(
            "stride",
            "a convolution with another stride",
            "the same stride in both: Keras's ResNets have it in a bottleneck's first convolution, Paddle's in the 3x3",
            elsewhere="the stages of a twin with another stride have other shapes, which level 2 reports as such",
        ),
        Trap("relu-missing", "an activation is left out", "put the activation back"),
        Trap("relu-on-logits", "an activation that the network does not have", "take the ReLU off the logits"),
        Trap("conv-bias", "a bias is left out, or is zero in the transfer", "transfer the bias, or add the layer's"),
        Trap(
            "channel-order",
            "images as BGR, or their channels first by a reshape",
            "RGB in both; transpose, never reshape, between NHWC and NCHW",
        ),
        Trap(
            "preprocess",
            "images scaled otherwise, or another mean subtracted",
            "divide by 255 and subtract the mean of every pixel, in this order, in both",
        ),
        Trap(
            "tf32",
            "products in reduced precision in one framework",
            "switch TF32 off in both, or on in both; probe it with `parity doctor`",
        ),
        Trap(
            "onednn",
            "other kernels in one framework",
            "set TF_ENABLE_ONEDNN_OPTS and FLAGS_use_mkldnn alike",
            elsewhere="other kernels with the same precision are no fault: level 3 says what they cost",
        ),
        Trap(
            "act-clipped",
            "an activation is cut at a number that it rarely reaches",
            "the same function in both: take the clip out, or put it into both",
        ),
        Trap(
            "gradient-clip",
            "gradients are cut, by their norm or by value, or small ones are dropped",
            "the same clipping in both, before or after the weight decay alike",
        ),
        Trap(
            "gradient-scale",
            "gradients are multiplied by a number: averaged over replicas or batches that the other adds up",
            "mean or sum in both; Paddle's DataParallel averages, tf.distribute's all_reduce('sum') adds",
        ),
        Trap(
            "f32-gradient",
            "a layer's gradient is another one in float32 than in float64",
            "look at the layer's float32 kernel, or write its gradient out",
        ),
        Trap(
            "gradient-missing",
            "an array gets no gradient in float32",
            "make the array trainable, and take what cuts the gradient (stop_gradient, detach) out",
        ),
        Trap(
            "start-weights",
            "a training begins with other weights than it is given",
            "initialise before the weights are loaded, not after; load them in the training's precision",
        ),
        Trap(
            "adam-steps",
            "Adam counts its steps wrongly, so that its bias correction is another one",
            "count in an integer that holds all steps of a training, or keep the powers of beta",
        ),
        Trap(
            "optimizer-reset",
            "the optimizer forgets its memory between two epochs",
            "make the optimizer once, not in every epoch; save and restore its state with the weights",
        ),
        Trap(
            "eval-preprocess",
            "test images are preprocessed otherwise than training images",
            "one preprocessing for both, with the training images' mean",
        ),
        Trap(
            "eval-dropped",
            "the last, incomplete batch of test images is left out",
            "drop_last=False, drop_remainder=False in evaluation",
        ),
        Trap(
            "eval-mode",
            "evaluation runs in training mode, or training goes on in inference mode after it",
            "model.eval() before and model.train() after an evaluation; training= in every call",
        ),
        Trap("eval-labels", "test images are held against other images' labels", "one order for images and labels"),
        Trap(
            "eval-stale",
            "evaluation runs with other weights than those that are trained",
            "evaluate the model that is trained; averaged or saved weights are an experiment of their own",
        ),
        Trap(
            "accuracy",
            "accuracy counts other predictions as right",
            "top-1 of the logits as they are, of every class, counted in an integer that holds them all",
        ),
        Trap(
            "training-figures",
            "a training reports another loss or accuracy than its steps have",
            "the mean over all steps of an epoch in both",
        ),
        Trap(
            "resume",
            "a training that goes on from a checkpoint has forgotten part of it",
            "save and restore the optimizer's memory and its counters with the weights",
        ),
        Trap("nan", "NaN or infinity in one output", "look at the layer that makes it: its input and weights"),
    )
}

FAULTS: tuple[Fault, ...] = (
    Fault("same-pad", FaultName.SYMMETRIC_PADDING, "convolution with stride and SAME", 1),
    Fault("pool-pad", FaultName.SYMMETRIC_PADDING, "max-pool with stride and SAME", 1),
    Fault("bn-epsilon", FaultName.OTHER_EPSILON, "batch norm", 1),
    Fault("bn-momentum", FaultName.OTHER_MOMENTUM, "batch norm", 4),
    Fault("bn-attr-f32", FaultName.UNROUNDED_CONSTANTS, "batch norm", 4, ("tensorflow",)),
    Fault("bn-unbiased", FaultName.UNBIASED_VARIANCE, "batch norm", 4),
    Fault("bn-frozen", FaultName.FROZEN_STATISTICS, "batch norm", 4),
    Fault("bn-frozen", FaultName.BATCH_STATISTICS, "batch norm", 1),
    Fault("flatten-order", FaultName.ROWS_IN_ANOTHER_ORDER, "fully connected on maps", 1),
    Fault("conv-layout", FaultName.SWAPPED_KERNEL_AXES, "convolution of 3x3 or more", 1),
    Fault("dense-layout", FaultName.TRANSPOSED_KERNEL, "square fully connected", 1),
    Fault("bias-swap", FaultName.GAMMA_FOR_BETA, "batch norm", 1),
    Fault("bias-swap", FaultName.MEAN_FOR_VARIANCE, "batch norm", 1),
    Fault("bias-swap", FaultName.ANOTHER_KERNEL, "kernel of the same shape as another's", 1),
    Fault("l2-half", FaultName.HALF_THE_DECAY, "decaying optimizer", 6),
    Fault("decay-scope", FaultName.ANOTHER_SCOPE_OF_DECAY, "decaying optimizer", 6),
    Fault("decay-decoupled", FaultName.DECOUPLED_DECAY, "decaying optimizer", 6),
    Fault("momentum-lr", FaultName.FOLDED_RATE, "optimizer with momentum", 6),
    Fault("nesterov", FaultName.THE_OTHER_MOMENTUM, "optimizer with momentum", 6),
    Fault("adam-epsilon", FaultName.THE_OTHER_EPSILON, "Adam", 6),
    Fault("adam-epsilon", FaultName.EPSILON_HAT, "Adam", 6),
    Fault("lr-boundary", FaultName.RATES_ONE_STEP_LATE, "any optimizer", 6),
    Fault("softmax-twice", FaultName.SOFTMAX_TWICE, "loss", 4),
    Fault("label-shape", FaultName.LABEL_COLUMN, "loss", 4),
    Fault("dropout-mode", FaultName.KEEP_PROBABILITY, "dropout whose rate is not a half", 4),
    Fault("dropout-mode", FaultName.INFERENCE_SCALING, "dropout", 2),
    Fault("lrn", FaultName.AVERAGED_WINDOW, "LRN", 1),
    Fault("relu-missing", FaultName.RELU_MISSING, "ReLU", 2),
    Fault("act-clipped", FaultName.CLIPPED_AT_20, "ReLU", 1),
    Fault("relu-on-logits", FaultName.RELU_ADDED, "logits", 1),
    Fault("conv-bias", FaultName.BIAS_LEFT_OUT, "layer with bias", 1),
    Fault("conv-bias", FaultName.BIAS_LOST, "layer with bias", 1),
    Fault("channel-order", FaultName.BGR, "images", 2),
    Fault("channel-order", FaultName.CHANNELS_FIRST_BY_RESHAPE, "images", 2),
    Fault("preprocess", FaultName.NO_SCALING, "images", 2),
    Fault("preprocess", FaultName.MEAN_PER_CHANNEL, "images less their mean", 4),
    Fault("tf32", FaultName.REDUCED_PRECISION, "product", 3),
    Fault("nan", FaultName.ONE_NAN, "product", 1),
    Fault("gradient-clip", FaultName.GRADIENTS_OF_NORM_100_AT_MOST, "any optimizer", 6),
    Fault("gradient-clip", FaultName.GRADIENTS_OF_10_AT_MOST, "any optimizer", 6),
    Fault("gradient-clip", FaultName.SMALL_GRADIENTS_DROPPED, "any optimizer", 6),
    Fault("gradient-scale", FaultName.A_TENTH_OF_THE_GRADIENTS, "any optimizer", 6),
    Fault("optimizer-reset", FaultName.FORGOTTEN_MEMORY, "optimizer with a memory", 6),
    Fault("softmax-floor", FaultName.LOSS_OF_64_AT_MOST, "loss", 6),
    Fault("softmax-floor", FaultName.CLIPPED_PROBABILITIES, "loss", 6),
    Fault("eval-preprocess", FaultName.LESS_BATCH_MEAN, "evaluation", 7),
    Fault("eval-preprocess", FaultName.WITHOUT_THE_MEAN, "evaluation less the images' mean", 7),
    Fault("eval-dropped", FaultName.LAST_BATCH_DROPPED, "evaluation", 7),
    Fault("eval-mode", FaultName.EVALUATION_IN_TRAINING_MODE, "evaluation with batch norm, without dropout", 7),
    Fault("eval-mode", FaultName.INFERENCE_MODE_AFTERWARDS, "evaluation with batch norm or dropout", 7),
    Fault("eval-labels", FaultName.SHIFTED_TEST_LABELS, "evaluation", 7),
    Fault("eval-stale", FaultName.WEIGHTS_FROM_BEFORE, "evaluation", 7),
    Fault("accuracy", FaultName.BEST_FIVE, "training", 4),
    Fault("accuracy", FaultName.LAST_CLASS_NOT_COUNTED, "evaluation", 7),
    Fault("accuracy", FaultName.ROUNDED_LOGITS, "evaluation", 7),
    Fault("accuracy", FaultName.COUNT_IN_A_BYTE, "evaluation of hundreds at once", 7),
    Fault("softmax-floor", FaultName.EVALUATED_LOSS_OF_16_AT_MOST, "evaluation", 7),
    Fault("training-figures", FaultName.LOSS_OF_THE_LAST_STEP, "training", 7),
    Fault("resume", FaultName.MEMORY_NOT_RESTORED, "optimizer with a memory", 7),
    Fault("start-weights", FaultName.BIASES_ZEROED, "first weights with biases", 8),
    Fault("start-weights", FaultName.WEIGHTS_IN_FLOAT16, "first weights", 8),
    Fault("f32-gradient", FaultName.HALF_THE_GRADIENT, "average pool", 8),
    Fault("f32-gradient", FaultName.HALF_THE_GRADIENT, "product", 8),
    Fault("f32-gradient", FaultName.LEAKING_GRADIENT, "ReLU", 8),
    Fault("gradient-missing", FaultName.GAMMA_WITHOUT_GRADIENT, "batch norm", 8),
    Fault("gradient-missing", FaultName.BIAS_WITHOUT_GRADIENT, "layer with bias", 8),
    Fault("f32-gradient", FaultName.CUT_AT_20_IN_FLOAT32, "ReLU", 8),
    Fault("adam-epsilon", FaultName.THE_OTHER_EPSILON_IN_FLOAT32, "Adam", 8),
    Fault("adam-steps", FaultName.WRAPPED_COUNTER, "Adam", 8),
    Fault("optimizer-reset", FaultName.FORGOTTEN_WHERE_EPOCHS_BEGIN, "optimizer with a memory", 8),
)
