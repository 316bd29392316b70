"""The levels of evidence, each from a question to the workers to a proof."""
