"""Trainings: run, resumed, compared."""
