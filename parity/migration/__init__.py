"""A user's own pair of models: matched, proven, explained, mended, converted."""
