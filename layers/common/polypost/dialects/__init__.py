"""The published APIs that Polypost speaks, one module each: wire models, credentials, media types, error bodies.

Each module satisfies `polypost.api.Dialect` and `RoutedDialect`; there is no list of them to keep.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, cast

from polypost.api import Dialect
from polypost.dialects import inxmail
from polypost.http import Request


class RoutedDialect(Dialect, Protocol):
    """What the default route needs of a dialect besides."""

    #: The path under which all of the dialect's endpoints stand.
    BASE_PATH: str

    #: The methods of each endpoint, by path: template.yaml's routes, and what the default route serves itself.
    ENDPOINTS: dict[str, tuple[str, ...]]


def dialect_of(request: Request) -> RoutedDialect:
    """The dialect whose path a request asks for; Inxmail's, which documents an unknown space, for all other paths."""
    for dialect in all_dialects():
        if request.is_under(dialect.BASE_PATH):
            return dialect
    return inxmail


@cache
def all_dialects() -> tuple[RoutedDialect, ...]:
    """Every dialect, found by its module."""
    names = sorted(module.name for module in iter_modules(__path__, f"{__name__}."))
    return tuple(cast(RoutedDialect, import_module(name)) for name in names)
