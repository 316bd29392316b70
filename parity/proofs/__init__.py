"""The levels of evidence: one module a level or two, from a question to the workers to the record of a proof."""
