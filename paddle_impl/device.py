"""The device that Paddle computes on: see `parity.runtime.device`."""

from __future__ import annotations

import numpy as np
import paddle

from paddle_impl.kinds import registry
from parity.runtime.device import WorkerDevice


class Device(WorkerDevice):
    """A CPU or a GPU."""

    version = paddle.__version__
    packages = ("numpy",)

    def use(self, device: str, threads: int) -> None:
        paddle.base.core.set_num_threads(threads)  # Paddle's own default is one
        if device == "gpu" and not self.gpus():
            raise RuntimeError("--device gpu: Paddle sees no GPU; install paddlepaddle-gpu and see `parity doctor`")
        paddle.device.set_device(device)

    def gpus(self) -> int:
        return paddle.device.cuda.device_count() if paddle.device.is_compiled_with_cuda() else 0

    def gpu_name(self) -> str:
        return paddle.device.cuda.get_device_name()

    def gpu_peak_memory(self) -> int:
        return int(paddle.device.cuda.max_memory_allocated())

    def lacks(self) -> list[str]:
        return registry.lacks()

    def matmul(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(paddle.matmul(paddle.to_tensor(a), paddle.to_tensor(b)).numpy())

    def conv2d(self, maps: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        nchw, oihw = paddle.to_tensor(maps.transpose(0, 3, 1, 2)), paddle.to_tensor(kernel.transpose(3, 2, 0, 1))
        return paddle.nn.functional.conv2d(nchw, oihw).numpy().transpose(0, 2, 3, 1)

    def train_in_bfloat16(self) -> None:
        maps = paddle.ones([1, 2, 4, 4], "bfloat16")
        kernel = paddle.ones([2, 2, 3, 3], "bfloat16")
        kernel.stop_gradient = False
        paddle.nn.functional.conv2d(maps, kernel).sum().backward()
        product = paddle.ones([2, 2], "bfloat16")
        product.stop_gradient = False
        paddle.matmul(product, product).sum().backward()

    def allow_tf32(self, allowed: bool) -> None:
        if self._settings["device"] == "gpu":
            paddle.base.core.set_cublas_switch(allowed)
            paddle.base.core.set_cudnn_switch(allowed)

    def synchronize(self) -> None:
        if self._settings["device"] == "gpu":
            paddle.device.synchronize()


device = Device()
