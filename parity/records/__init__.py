"""What a run saves and a report reads, and the statistics on it."""
