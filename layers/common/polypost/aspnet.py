"""What the dialects of ASP.NET Web API's family share."""

from collections.abc import Mapping


def in_both_cases(endpoints: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Endpoints as published and in lower case: ASP.NET's routes know no case, API Gateway's do.

    Parameters: endpoints, the methods of each path; path parameters, segments in braces, keep their names.
    """
    return dict(endpoints) | {_in_lower_case(path): methods for path, methods in endpoints.items()}


def _in_lower_case(path: str) -> str:
    return "/".join(segment if segment.startswith("{") else segment.lower() for segment in path.split("/"))
