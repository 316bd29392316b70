"""A difference as scripts that run without this suite."""
