"""Where the frameworks differ in ways that survive a migration: the traps as data, and the faults that stand for them.

A fault is put into one built twin, or into what it is sent. The suite must then see it at the level that is named,
place it at the stage where it was put, and name the trap: see `parity.faults.detection`.
"""

from __future__ import annotations

from dataclasses import dataclass

BOTH = ("paddle", "tensorflow")


@dataclass(frozen=True)
class Trap:
    """One way in which a migrated network comes to compute something else."""

    id: str
    title: str
    fix: str
    elsewhere: str = ""  # why it cannot be put into a twin of this suite; empty where it can


@dataclass(frozen=True)
class Fault:
    """One form of a trap: what is changed, where, and the level of evidence that must see it."""

    trap: str
    change: str  # a fault of the packages' `faults.py`, or of `parity.faults.tampering`
    where: str  # a kind of place, see `parity.faults.sites`
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
        Trap("relu-missing", "an activation is left out", "put the ReLU back"),
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
    Fault("same-pad", "symmetric padding", "convolution with stride and SAME", 1),
    Fault("pool-pad", "symmetric padding", "max-pool with stride and SAME", 1),
    Fault("bn-epsilon", "other epsilon", "batch norm", 1),
    Fault("bn-momentum", "other momentum", "batch norm", 4),
    Fault("bn-attr-f32", "unrounded constants", "batch norm", 4, ("tensorflow",)),
    Fault("bn-unbiased", "unbiased variance", "batch norm", 4),
    Fault("bn-frozen", "frozen statistics", "batch norm", 4),
    Fault("bn-frozen", "batch statistics", "batch norm", 1),
    Fault("flatten-order", "rows in another order", "fully connected on maps", 1),
    Fault("conv-layout", "swapped kernel axes", "convolution of 3x3 or more", 1),
    Fault("dense-layout", "transposed kernel", "square fully connected", 1),
    Fault("bias-swap", "gamma for beta", "batch norm", 1),
    Fault("bias-swap", "mean for variance", "batch norm", 1),
    Fault("bias-swap", "another layer's kernel", "kernel with a twin", 1),
    Fault("l2-half", "half the decay", "decaying optimizer", 6),
    Fault("decay-scope", "another scope of decay", "decaying optimizer", 6),
    Fault("decay-decoupled", "decoupled decay", "decaying optimizer", 6),
    Fault("momentum-lr", "folded rate", "optimizer with momentum", 6),
    Fault("nesterov", "the other momentum", "optimizer with momentum", 6),
    Fault("adam-epsilon", "the other epsilon", "Adam", 6),
    Fault("adam-epsilon", "epsilon hat", "Adam", 6),
    Fault("lr-boundary", "rates one step late", "any optimizer", 6),
    Fault("softmax-twice", "softmax twice", "loss", 4),
    Fault("label-shape", "label column", "loss", 4),
    Fault("dropout-mode", "keep probability", "dropout whose rate is not a half", 4),
    Fault("dropout-mode", "inference scaling", "dropout", 2),
    Fault("lrn", "averaged window", "LRN", 1),
    Fault("relu-missing", "relu missing", "ReLU", 2),
    Fault("act-clipped", "clipped at 20", "ReLU", 1),
    Fault("relu-on-logits", "relu added", "logits", 1),
    Fault("conv-bias", "bias left out", "layer with bias", 1),
    Fault("conv-bias", "bias lost", "layer with bias", 1),
    Fault("channel-order", "BGR", "images", 2),
    Fault("channel-order", "channels first by reshape", "images", 2),
    Fault("preprocess", "no scaling", "images", 2),
    Fault("preprocess", "mean of each channel", "images less their mean", 4),
    Fault("tf32", "reduced precision", "product", 3),
    Fault("nan", "one nan", "product", 1),
    Fault("gradient-clip", "gradients of norm 100 at most", "any optimizer", 6),
    Fault("gradient-clip", "gradients of 10 at most", "any optimizer", 6),
    Fault("gradient-clip", "small gradients dropped", "any optimizer", 6),
    Fault("gradient-scale", "a tenth of the gradients", "any optimizer", 6),
    Fault("optimizer-reset", "forgotten memory", "optimizer with a memory", 6),
    Fault("softmax-floor", "loss of 64 at most", "loss", 6),
    Fault("softmax-floor", "clipped probabilities", "loss", 6),
    Fault("eval-preprocess", "less the batch's mean", "evaluation", 7),
    Fault("eval-preprocess", "without the mean", "evaluation less the images' mean", 7),
    Fault("eval-dropped", "last batch dropped", "evaluation", 7),
    Fault("eval-mode", "evaluation in training mode", "evaluation with batch norm, without dropout", 7),
    Fault("eval-mode", "inference mode afterwards", "evaluation with batch norm or dropout", 7),
    Fault("eval-labels", "shifted test labels", "evaluation", 7),
    Fault("eval-stale", "weights from before", "evaluation", 7),
    Fault("accuracy", "best five", "training", 4),
    Fault("accuracy", "last class not counted", "evaluation", 7),
    Fault("accuracy", "rounded logits", "evaluation", 7),
    Fault("accuracy", "count in a byte", "evaluation of hundreds at once", 7),
    Fault("softmax-floor", "evaluated loss of 16 at most", "evaluation", 7),
    Fault("training-figures", "loss of the last step", "training", 7),
    Fault("resume", "memory not restored", "optimizer with a memory", 7),
    Fault("start-weights", "biases zeroed", "first weights with biases", 8),
    Fault("start-weights", "weights in float16", "first weights", 8),
    Fault("f32-gradient", "half the gradient", "average pool", 8),
    Fault("f32-gradient", "half the gradient", "product", 8),
    Fault("f32-gradient", "leaking gradient", "ReLU", 8),
    Fault("gradient-missing", "gamma without gradient", "batch norm", 8),
    Fault("gradient-missing", "bias without gradient", "layer with bias", 8),
    Fault("f32-gradient", "cut at 20 in float32", "ReLU", 8),
    Fault("adam-epsilon", "the other epsilon in float32", "Adam", 8),
    Fault("adam-steps", "wrapped counter", "Adam", 8),
    Fault("optimizer-reset", "forgotten where epochs begin", "optimizer with a memory", 8),
)
