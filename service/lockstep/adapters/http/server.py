"""The HTTP server: finds who answers, asks for the token, and ends what is refused."""

import os
from collections.abc import Iterable

from aiohttp import web

from lockstep.adapters.http.access import Access
from lockstep.adapters.http.caller import admit
from lockstep.adapters.http.protocol import Server
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.http.router import Route, Router
from lockstep.errors import SettingsError
from lockstep.settings import Settings

UNFINISHED_S = 1.0
"""How long a stop waits for the end of a request that has not come whole, and then once more until it is cancelled."""


class HttpServer:
    """Start, then `port` is the one in use."""

    def __init__(self, settings: Settings, access: Access, owners: Iterable[object]) -> None:
        """owners: who answers: objects whose classes declare operations."""
        self._settings, self._access = settings, access
        self._router = Router(owners)
        self._runner: web.ServerRunner | None = None
        self.port = settings.http_port

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything that can be asked for."""
        return self._router.paths

    async def start(self) -> None:
        self._runner = web.ServerRunner(Server(self._answer), shutdown_timeout=UNFINISHED_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._settings.http_host, self._settings.http_port)
        try:
            await site.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise SettingsError(
                f"cannot listen on {self._settings.http_host}:{self._settings.http_port}: {why.lower()}; "
                "set LOCKSTEP_HTTP_PORT to a free port"
            ) from error
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            route = self._router.find(request)
            answering = None if route is None else route.take(request.method)
            if route is None or answering is None:
                if route is None or not route.is_open:
                    self._access.caller(request, None)
                raise _no_answer(route)
            operation, handler = answering
            admit(request, self._access.caller(request, operation), route.values)
            return await handler(request)
        except Refusal as refusal:
            return refusal.response()


def _no_answer(route: Route | None) -> Refusal:
    """Why nobody answers: there is no such path, or it does not take the method."""
    if route is None:
        return Refusal(404, "no such path; /v1/openapi.json names them all")
    return Refusal(405, f"{route.path} takes {route.allowed}", headers={"Allow": route.allowed})
