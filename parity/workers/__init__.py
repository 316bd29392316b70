"""Processes: one for each framework, and the protocol that is spoken with it."""
