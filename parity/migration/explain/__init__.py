"""Where values part, and why."""
