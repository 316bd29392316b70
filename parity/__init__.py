"""Parity of PaddlePaddle and TensorFlow 2 models: catalogue, transfer, comparison, proofs and benchmarks.

Nothing in this package imports a framework; each framework lives in a worker process of its own.
"""

__version__ = "0.1.0"
