"""The published APIs that Polypost speaks, one module each: wire models, credentials, media types, error bodies.

Each module satisfies `RoutedDialect`; there is no list of them to keep.
"""

from collections.abc import Mapping
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

    #: The methods of each endpoint, by path, in which `{name}` stands for one segment: template.yaml's routes, and what
    #: the default route serves itself.
    ENDPOINTS: dict[str, tuple[str, ...]]


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


def methods_of(path: str, endpoints: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The methods of a path, of every endpoint that it fits; none where nothing stands."""
    fitting = (methods for template, methods in endpoints.items() if _fits(path, template))
    return tuple(dict.fromkeys(method for methods in fitting for method in methods))


def _fits(path: str, template: str) -> bool:
    segments, wanted = path.split("/"), template.split("/")
    return len(segments) == len(wanted) and all(
        segment == want or (segment and want.startswith("{")) for segment, want in zip(segments, wanted, strict=True)
    )


@cache
def all_dialects() -> tuple[RoutedDialect, ...]:
    """Every dialect, found by its module."""
    names = sorted(module.name for module in iter_modules(__path__, f"{__name__}."))
    return tuple(cast(RoutedDialect, import_module(name)) for name in names)
