"""A user's own pair of models: matched, proven, diagnosed, fixed, converted."""
