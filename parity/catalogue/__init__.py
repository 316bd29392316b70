"""Facts: which networks there are, what they are made of, how they are trained, which traps and versions are known."""
