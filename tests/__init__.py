"""Tests of the suite itself; a package, so that they can share what is not a fixture."""
