"""What a cluster cannot do, in one message for the user."""


class ClusterError(Exception):
    """A cluster that cannot be used; the message says what was expected, what was found, where, and what to do."""
