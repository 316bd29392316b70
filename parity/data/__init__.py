"""Images and batches: data sets found, read and checked; the epoch plan."""
