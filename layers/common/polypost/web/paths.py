"""Paths and the endpoints that they lead to, or nearly do.

Endpoints are the methods of each path, in which `{name}` stands for one segment.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Final

Endpoints = Mapping[str, tuple[str, ...]]

# What is longer is no misspelled path of an endpoint; comparing takes time that grows with the length.
_LONGEST_MISTAKE: Final = 200
_MOST_SEGMENTS_TOO_MANY: Final = 2


def methods_of(path: str, endpoints: Endpoints) -> tuple[str, ...]:
    """The methods of a path, of every endpoint that it fits; none where nothing stands."""
    fitting = (methods for template, methods in endpoints.items() if _fits(path, template))
    return tuple(dict.fromkeys(method for methods in fitting for method in methods))


def canonical_path(path: str, endpoints: Endpoints, *, any_case: bool) -> str | None:
    """The path of the endpoint that a path fits once the slashes at its end are gone; None where there is none.

    Parameters: any_case, whether the case of a path does not matter; the parameters in it keep theirs.
    """
    stripped = path.rstrip("/")
    for template in endpoints:
        if _fits(stripped, template, any_case=any_case):
            segments = zip(stripped.split("/"), template.split("/"), strict=True)
            return "/".join(segment if want.startswith("{") else want for segment, want in segments)
    return None


def _fits(path: str, template: str, *, any_case: bool = False) -> bool:
    segments, wanted = path.split("/"), template.split("/")
    return len(segments) == len(wanted) and all(
        segment == want
        or (segment and want.startswith("{"))
        or (any_case and not want.startswith("{") and segment.lower() == want.lower())
        for segment, want in zip(segments, wanted, strict=True)
    )


def closest_endpoint(path: str, endpoints: Endpoints) -> str | None:
    """The endpoint that a path was probably meant for; None where it is close to none.

    A path is close to an endpoint if each word in it differs in at most a third of its letters, and if what one of the
    two has in whole segments beyond the other is little of it.
    """
    if len(path) > _LONGEST_MISTAKE:
        return None
    given = path.lower().strip("/").split("/")
    distances = {
        template: distance
        for template in endpoints
        if (distance := _distance(given, re.sub(r"\{\w+\}", "*", template.lower()).strip("/").split("/"))) is not None
    }
    return min(distances, key=lambda template: distances[template], default=None)


def _distance(given: Sequence[str], wanted: Sequence[str]) -> int | None:
    """How many letters lie between a path and an endpoint's, parameters being `*`; None where they are not close."""
    if abs(len(given) - len(wanted)) > _MOST_SEGMENTS_TOO_MANY:
        return None
    common = min(len(given), len(wanted))
    total = len("/".join(wanted))
    distances = (
        total + len("/".join(given)) - len("/".join(kept)) - len("/".join(matched)) + sum(filter(None, edits))
        for kept, matched in product(combinations(given, common), _parts(wanted, common))
        if None not in (edits := [_edits(segment, want) for segment, want in zip(kept, matched, strict=True)])
    )
    least = min(distances, default=total)
    return least if 2 * least < total else None


def _parts(wanted: Sequence[str], length: int) -> Iterator[list[str]]:
    """What is left of an endpoint's path without some segments: no parameter without the word before it."""
    for kept in combinations(range(len(wanted)), length):
        if all(wanted[index] != "*" or index - 1 in kept for index in kept):
            yield [wanted[index] for index in kept]


def _edits(segment: str, want: str) -> int | None:
    """The letters to change, add or take away to make one segment of the other; None where they are too many."""
    if want == "*":
        # Less close than the word itself.
        return 1 if segment else None
    row = list(range(len(want) + 1))
    for index, letter in enumerate(segment, 1):
        before, row[0] = row[0], index
        for column, wanted_letter in enumerate(want, 1):
            best = min(row[column] + 1, row[column - 1] + 1, before + (letter != wanted_letter))
            before, row[column] = row[column], best
    return row[-1] if row[-1] <= (len(want) + 2) // 3 else None
