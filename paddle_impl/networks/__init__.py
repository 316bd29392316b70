"""The networks in PaddlePaddle, one file a family."""
