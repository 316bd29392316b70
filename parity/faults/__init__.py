"""Faults put into the twins on purpose, and how many of them the suite finds."""
