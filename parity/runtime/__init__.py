"""What runs inside a worker and is the same in both frameworks."""
