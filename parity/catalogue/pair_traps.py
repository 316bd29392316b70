"""Traps of a user's pair that no twin of the catalogue can fall into: they have layers that the networks lack."""

from __future__ import annotations

from parity.catalogue.traps import TRAPS, Trap

_OWN = (
    Trap("padding-mode", "zeros around maps where the other framework has copies of the border", "the same mode"),
    Trap("dilation", "a convolution with another dilation", "the same dilation in both"),
    Trap("norm-groups", "a group norm with another number of groups", "the same number in both"),
    Trap("pool-other", "an average where the largest number is taken, or the reverse", "the same pool in both"),
    Trap("act-missing", "an activation other than a ReLU is left out", "the same function in both, or in neither"),
    Trap(
        "bn-one-array",
        "a batch norm of Paddle's with a scale or a shift alone, of which Paddle has no gradient",
        "both arrays in Paddle, and ParamAttr(learning_rate=0.0) for the one that stays as it is",
    ),
    Trap("softmax-axis", "a softmax over another axis", "write the axis out: channels may be second in Paddle"),
    Trap("embedding-padding", "an embedding that gives zeros for one id", "padding_idx=None: Keras's has none"),
    Trap("mask", "a mask that is left out, or taken in the opposite sense", "the same mask in both; True: is seen"),
    Trap("attention-causal", "a causal mask that one model lacks", "the same mask in both"),
    Trap("attention-heads", "attention with another number of heads", "the same number in both"),
    Trap("recurrent-state", "a recurrent layer that begins with another state", "the same initial states in both"),
    Trap("recurrent-end", "the output of another step of a sequence", "the last one in both, or the first"),
    Trap("resize", "an enlargement by another method, or with aligned corners", "the same method and corners"),
    Trap("concat-order", "tensors are put together in another order", "the same order in both"),
    Trap("operands", "two operands are exchanged", "the same order in both"),
    Trap("residual", "a sum that lacks one of its terms", "add the same tensors in both"),
    Trap("reduction", "a sum, mean or largest number for one another", "the same reduction in both"),
    Trap("norm-epsilon", "a division by a norm with another floor", "write the epsilon out in both"),
    Trap("scale", "another constant factor", "the same factor in both"),
)

PAIR_TRAPS: dict[str, Trap] = {trap.id: trap for trap in _OWN} | TRAPS
