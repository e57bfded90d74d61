"""Which route a request is for, as its template: `/v1/jobs/{job_id}`, not that one job."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path

UNKNOWN = "unknown"


class RouteTemplates:
    """The templates of an application's routes, with every prefix.

    `scope["route"]` does not say them: FastAPI puts a route there as its own router knows it,
    without what the routers around that one add, and puts none for a request that is refused before
    it is routed.
    """

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        """routes: `app.routes`, once they are all there."""
        self._routes = []
        for route in iter_route_contexts(routes):
            if route.path is not None:
                pattern, template, _ = compile_path(route.path)
                self._routes.append((pattern, template, frozenset(route.methods or ())))

    def of(self, method: str, path: str) -> str:
        """The template of the route that takes this, as the router chooses: the first that fits,
        else the first that would by another method; `UNKNOWN` where nothing is."""
        otherwise = UNKNOWN
        for pattern, template, methods in self._routes:
            if pattern.match(path) is None:
                continue
            if method in methods:
                return template
            if otherwise == UNKNOWN:
                otherwise = template
        return otherwise
