"""Processes: one for each framework, the protocol that is spoken with it, and the client of what it can be asked."""
