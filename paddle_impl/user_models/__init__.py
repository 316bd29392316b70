"""PaddlePaddle models of users: loaded, traced, read, repaired."""
