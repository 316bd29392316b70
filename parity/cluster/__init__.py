"""The run matrix on a Ray cluster; Ray is an optional extra, which only `connection` imports."""
