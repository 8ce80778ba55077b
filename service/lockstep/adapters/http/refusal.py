"""An answer that is no success: one JSON object, whatever went wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from lockstep.errors import LockstepError


class Refusal(LockstepError):
    """Ends a request. headers: that the status asks for; faults: what is wrong with which event."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = dict(headers or {})
        self.faults = list(faults)

    def response(self) -> web.Response:
        body: dict[str, Any] = {"error": self.message}
        if self.faults:
            body["errors"] = self.faults
        return web.json_response(body, status=self.status, headers=self.headers)
