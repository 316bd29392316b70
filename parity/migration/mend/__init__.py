"""Changes of one of the models that were made and proven."""
