"""Both models with their own weights."""
