"""The weight-transfer layer: canonical states, layouts, files, initial values."""
