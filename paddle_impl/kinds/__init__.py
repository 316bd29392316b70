"""Which of Paddle's layers and functions are of which kind, and code for them: one file a family."""

from __future__ import annotations

import paddle

from parity.kinds.registry import Registry

registry = Registry("paddle_impl", f"PaddlePaddle {paddle.__version__}", lambda _: True)
