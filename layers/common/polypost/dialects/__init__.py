"""The published APIs that Polypost speaks, one module each: wire models, credentials, media types, error bodies.

Each module satisfies `RoutedDialect`; there is no list of them to keep.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, cast

from polypost.dialects import inxmail
from polypost.web import pages
from polypost.web.endpoint import Dialect, ErrorEncoder
from polypost.web.http import Request


class Routed(ErrorEncoder, Protocol):
    """What the default route needs of a dialect, and of the pages."""

    #: The paths under which all of its endpoints stand.
    BASE_PATHS: tuple[str, ...]

    #: The methods of each endpoint, by its path as it is published, in which `{name}` stands for one segment. HEAD is
    #: answered wherever GET is.
    ENDPOINTS: dict[str, tuple[str, ...]]

    #: Whether the case of a path does not matter, as in ASP.NET.
    ANY_CASE: bool


class RoutedDialect(Dialect, Routed, Protocol):
    """A dialect's module."""


def owner_of(request: Request) -> Routed:
    """Whose a path is: a dialect's, the pages', or else Inxmail's, which documents an unknown space.

    Case does not matter: a path in a case that no route has is an error of the API that it was meant for.
    """
    path = f"{request.path.lower()}/"
    owners: tuple[Routed, ...] = (*all_dialects(), pages)
    for owner in owners:
        if any(path.startswith(f"{base_path.lower()}/") for base_path in owner.BASE_PATHS):
            return owner
    return inxmail


def routes_of(owner: Routed) -> dict[str, tuple[str, ...]]:
    """The methods of each path that has a route: those of template.yaml, and those that the default route serves.

    API Gateway answers HEAD where it has a route for it alone, and knows the case of paths. So HEAD follows GET, and
    where case does not matter each path is there in lower case too.
    """
    routes = {path: _with_head(methods) for path, methods in owner.ENDPOINTS.items()}
    return routes | ({_in_lower_case(path): routes[path] for path in routes} if owner.ANY_CASE else {})


def _with_head(methods: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for method in methods for each in (("GET", "HEAD") if method == "GET" else (method,)))


def _in_lower_case(path: str) -> str:
    return "/".join(segment if segment.startswith("{") else segment.lower() for segment in path.split("/"))


def published_endpoints() -> dict[str, tuple[str, ...]]:
    """The endpoints of all dialects."""
    return {path: methods for dialect in all_dialects() for path, methods in dialect.ENDPOINTS.items()}


@cache
def all_dialects() -> tuple[RoutedDialect, ...]:
    """Every dialect, found by its module."""
    names = sorted(module.name for module in iter_modules(__path__, f"{__name__}."))
    return tuple(cast(RoutedDialect, import_module(name)) for name in names)
