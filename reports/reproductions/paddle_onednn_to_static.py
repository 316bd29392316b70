"""Paddle 3.3.1 on a CPU: training by `to_static` with FLAGS_use_mkldnn=1 ends in a segmentation fault.

    FLAGS_use_mkldnn=1 python paddle_onednn_to_static.py

Expected: "trained", as without the variable. Found, every time, on x86-64 with AVX2 (paddlepaddle 3.3.1 of PyPI,
Python 3.11): SIGSEGV in egr::to_static::details::CreateTensorFromValue, from run_program_ad_func. With a batch norm in
place of the ReLU the same, or "(InvalidArgument) dst_tensor `` shall be defined". Without the max pool it trains.
"""

import paddle
from paddle import nn


class Net(nn.Layer):
    """A convolution, ReLU, max pool, and a fully connected layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2D(3, 6, 5)
        self.fc = nn.Linear(6 * 14 * 14, 10)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        """Images [n, 3, 32, 32] -> [n, 10]."""
        maps = nn.functional.relu(self.conv(images))
        return self.fc(nn.functional.max_pool2d(maps, 2, 2).flatten(1))


compiled = paddle.jit.to_static(Net())
for _ in range(3):
    compiled(paddle.rand([8, 3, 32, 32])).mean().backward()
print("trained")
