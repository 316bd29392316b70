"""The report's sections as Markdown."""
