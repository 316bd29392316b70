"""From a failed proof of a twin to the cause by name."""
