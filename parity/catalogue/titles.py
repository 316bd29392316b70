"""The frameworks' names as their makers write them, in the order in which the project shows them."""

TITLES = {"paddle": "PaddlePaddle", "tensorflow": "TensorFlow"}
