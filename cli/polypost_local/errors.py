"""Why the local stack does not start, in words for the person who started it."""


class LocalStackError(Exception):
    """The local stack cannot start; the message says why."""
