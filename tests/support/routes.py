"""Which function the template routes a request to."""

from dataclasses import dataclass

from polypost_local.template import Template


@dataclass(frozen=True)
class Route:
    """A route that matches: its function, by the name of its folder, and what stands in its path's braces."""

    function: str
    path: str
    parameters: dict[str, str]


def find_route(template: Template, method: str, path: str) -> Route:
    """The route of a request, as API Gateway finds it."""
    for route in template.api.routes:
        parameters = _match(route.path, path)
        if method in route.methods and parameters is not None:
            return Route(template.code[route.function_name].function.name, route.path, parameters)
    raise LookupError(f"no route for {method} {path}")


def _match(route: str, path: str) -> dict[str, str] | None:
    wanted, segments = route.split("/"), path.split("/")
    if len(wanted) != len(segments):
        return None
    parameters = {}
    for want, segment in zip(wanted, segments, strict=True):
        if want.startswith("{"):
            parameters[want.strip("{}")] = segment
        elif want != segment:
            return None
    return parameters
