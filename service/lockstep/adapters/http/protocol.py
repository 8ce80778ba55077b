"""Below the requests: bytes that are none, and connections that break, are the sender's affair and no error of ours.

aiohttp's own handler answers these in plain text and writes a stack trace into the log, for whoever can reach the port.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from lockstep.adapters.http.refusal import Refusal

log = structlog.get_logger("lockstep.http")

LONGEST_LINE = 8190
"""Bytes of the request line, and of one header."""

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_SENDERS = (OSError, HttpProcessingError, web.RequestPayloadError)
"""What the other side causes: it went away, or what it sends is no HTTP."""


class Server(web.Server):
    """Makes one protocol a connection. Bodies come as they are sent: `body` unpacks them, within its limit."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler)

    def __call__(self) -> web.RequestHandler:
        return _Protocol(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # None is what turns it off
            auto_decompress=False,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
        )


class _Protocol(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What to answer where no handler was reached, or where one broke."""
        if isinstance(exc, _SENDERS):
            refusal = _unreadable(exc)
            log.info("no request", remote=request.remote, reason=refusal.message)
        else:
            log.error("a request met a fault of ours", path=request.path, exc_info=exc)
            refusal = Refusal(status, "a fault of Lockstep; its log says more")
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is on its way already")
        response = refusal.response()
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        error = kw.get("exc_info")
        if isinstance(error, _SENDERS):
            log.info("a connection broke", reason=type(error).__name__)
        else:
            log.error("a connection met a fault of ours", exc_info=error)


def _unreadable(error: BaseException) -> Refusal:
    if isinstance(error, LineTooLong):
        return Refusal(431, f"the request line or a header is longer than {LONGEST_LINE:,} bytes")
    return Refusal(400, "no HTTP request that can be read")
