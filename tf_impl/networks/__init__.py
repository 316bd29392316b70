"""The networks in TensorFlow 2, one file a family."""
