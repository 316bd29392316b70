"""PaddlePaddle models that somebody else wrote: loaded, traced, read, mended."""
