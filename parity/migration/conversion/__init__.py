"""Trained weights from one framework's file to the other's."""
