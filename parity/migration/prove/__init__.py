"""What decides on a pair: inputs, outputs, a pass in training mode, limits."""
