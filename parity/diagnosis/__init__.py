"""From a failed proof of two twins to the cause: framework, stage and trap."""
