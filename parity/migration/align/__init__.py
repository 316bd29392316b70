"""How the values, layers and arrays of a pair's two models are put together."""
