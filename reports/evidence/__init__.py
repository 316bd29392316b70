"""What saved runs say: merged, and judged."""
