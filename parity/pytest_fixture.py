"""The pytest fixture with which a project tests its own pair of models; pytest finds it by its entry point.

Example::

    def test_the_migrated_network_computes_the_same(parity_compare):
        parity_compare("my.models:net", "my.twins:net", input=(224, 224, 3)).assert_equal()
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # loaded with every pytest of the environment: what it needs is imported where it is used
    from parity.records.migrations import Migration


@pytest.fixture(scope="session")
def parity_compare() -> Iterator[Callable[..., Migration]]:
    """`parity.compare` with the same arguments; both frameworks start once for all tests that use it."""
    import functools

    from parity.api import compare
    from parity.workers.interpreter import shared_threads
    from parity.workers.pool import Workers

    with Workers(threads=shared_threads()) as workers:
        yield functools.partial(compare, workers=workers)
