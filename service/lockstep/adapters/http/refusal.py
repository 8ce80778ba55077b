"""An answer that is no success: one JSON object as RFC 9457 has it, whatever went wrong; for people a page."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web

from lockstep.errors import LockstepError

PROBLEM = "application/problem+json"
"""The content type of every refusal."""


class Refusal(LockstepError):
    """Ends a request. headers: that the status asks for; faults: what is wrong with which event or field; more: further
    members of the answer."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        faults: Sequence[Mapping[str, Any]] = (),
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = dict(headers or {})
        self.faults = list(faults)
        self.more = dict(more or {})

    def response(self) -> web.Response:
        body: dict[str, Any] = {
            **self.more,
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "error": self.message,  # as before there were problem details
        }
        if self.faults:
            body["errors"] = self.faults
        return web.json_response(body, status=self.status, headers=self.headers, content_type=PROBLEM)


class PageRefusal(Refusal):
    """Ends a request of a browser, with a page that says why: the login, or that a link leads nowhere."""

    def __init__(self, page: web.Response) -> None:
        super().__init__(page.status, "a page says why")
        self._page = page

    def response(self) -> web.Response:
        return self._page
