"""Which handler answers which path: paths of any number of owners, with `{id}` for a part that has any value."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from aiohttp import web

from lockstep.adapters.http.openapi import Operation, operations_of
from lockstep.adapters.http.protocol import Handler


@dataclass(frozen=True)
class Route:
    """One path: method → what is answered and by whom. values: what stands in place of its `{names}`."""

    path: str
    by_method: dict[str, tuple[Operation, Handler]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def take(self, method: str) -> tuple[Operation, Handler] | None:
        """What answers a method; HEAD is answered as GET. None where nothing does."""
        return self.by_method.get("GET" if method == "HEAD" else method)

    @property
    def allowed(self) -> str:
        """As the header `Allow` has it."""
        return ", ".join("GET, HEAD" if method == "GET" else method for method in self.by_method)

    @property
    def is_open(self) -> bool:
        """Whether something can be asked of it without a token."""
        return any(operation.is_open for operation, _ in self.by_method.values())


class Router:
    """The operations that the classes of its owners declare."""

    def __init__(self, owners: Iterable[object]) -> None:
        """Raises ValueError where two owners declare one operation."""
        self._plain: dict[str, Route] = {}
        self._patterns: dict[tuple[str, ...], Route] = {}
        for owner in owners:
            for name, operation in operations_of(type(owner)).items():
                self._add(operation, getattr(owner, name))

    def _add(self, operation: Operation, handler: Handler) -> None:
        parts = tuple(operation.path.split("/"))
        if any(_is_open(part) for part in parts):
            route = self._patterns.setdefault(parts, Route(operation.path))
        else:
            route = self._plain.setdefault(operation.path, Route(operation.path))
        if operation.method in route.by_method:
            raise ValueError(f"{operation.method} {operation.path} is declared twice")
        route.by_method[operation.method] = operation, handler

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything that can be asked for, as it is declared."""
        return (*self._plain, *(route.path for route in self._patterns.values()))

    def find(self, request: web.BaseRequest) -> Route | None:
        """The route of a request's path: one that is written out wins over one with `{id}`."""
        plain = self._plain.get(request.path)
        if plain is not None:
            return plain
        # Cut before the escapes are undone: an id may have a slash in it.
        given = request.rel_url.raw_path.split("/")
        best: tuple[int, Route] | None = None
        for parts, route in self._patterns.items():
            if len(parts) != len(given):
                continue
            pairs = list(zip(parts, map(unquote, given), strict=True))
            if all((_is_open(part) and value) or part == value for part, value in pairs):
                values = {part[1:-1]: value for part, value in pairs if _is_open(part)}
                if best is None or len(values) < best[0]:
                    best = len(values), Route(route.path, route.by_method, values)
        return None if best is None else best[1]


def _is_open(part: str) -> bool:
    """Whether a part of a declared path stands for any value: `{id}`."""
    return part.startswith("{") and part.endswith("}")
