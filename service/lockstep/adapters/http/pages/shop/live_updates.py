"""Server-sent events: a page that is open is told what has changed on it, some seconds later at most.

The page is made once for all who look, at most every two seconds (of a large shop so seldom that it takes a twentieth
of the time at most), and only while somebody does. Each listener gets the
parts that are not as it has them: who is slow misses what lay between, waits for nobody and lets nobody wait. There are
so many listeners at most; who comes then is asked to come again, and looks at the page itself meanwhile.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import msgspec
import structlog
from aiohttp import web

from lockstep.adapters.http.refusal import Refusal

log = structlog.get_logger("lockstep.pages")

EVERY_S = 2.0
"""How long at least between two makings."""
SHARE = 20.0
"""What took a second to make is not made again for so many."""
BEAT_S = 15.0
"""How long nothing is said at most: a connection that says nothing is closed by proxies, and given up by the page."""
SEND_S = 20.0
"""How long a listener may take to read one event before its connection is given up."""
LIFE_S = 3_600.0
"""How long one connection lasts at most."""
MOST_LISTENERS = 100
AGAIN_MS = 3_000
"""How long a browser waits before it connects again."""

Parts = Mapping[str, str]
"""Id of an element → its content, as HTML."""


@dataclass(frozen=True)
class Made:
    """The page as it was made. version: names it, the same for the same parts."""

    parts: Parts
    version: str


def version_of(parts: Parts) -> str:
    """A name of the parts, that changes with any of them."""
    return sha256(msgspec.json.encode(dict(sorted(parts.items())))).hexdigest()[:16]


@dataclass
class LiveUpdates:
    """make: the parts as they are now. changes: a value that is another one when `make` would say something else."""

    make: Callable[[], Parts]
    changes: Callable[[], object]
    every_s: float = EVERY_S
    share: float = SHARE
    beat_s: float = BEAT_S
    send_s: float = SEND_S
    life_s: float = LIFE_S
    most_listeners: int = MOST_LISTENERS
    listeners: int = 0
    """How many look on now."""
    _made: Made | None = None
    _made_of: object = None
    _not_before_s: float = 0.0
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _is_closed: bool = False

    def now(self) -> Made:
        """The page as it is now, or was a moment ago; made again only where something has changed."""
        clock_s = asyncio.get_running_loop().time
        began_s = clock_s()
        if self._made is not None and began_s < self._not_before_s:
            return self._made
        changes = self.changes()
        if self._made is None or changes != self._made_of:
            parts = self.make()
            version = version_of(parts)
            if self._made is None or version != self._made.version:
                self._made = Made(parts, version)
            self._made_of = changes
            self._not_before_s = began_s + max(self.every_s, self.share * (clock_s() - began_s))
        return self._made

    async def keep(self) -> None:
        """Look for changes for ever, while somebody listens."""
        announced: Made | None = None
        while True:
            await asyncio.sleep(self.every_s)
            if not self.listeners:
                continue
            try:
                made = self.now()
            except Exception:
                # One page that cannot be made must not end the worker; who asks for it sees the fault.
                log.exception("a page could not be made")
                continue
            # Whoever opens the page may have had it made: that is news to those who look on.
            if made is not announced:
                announced = made
                async with self._news:
                    self._news.notify_all()

    async def close(self) -> None:
        """End what listeners wait for: a worker that stops does not wait for them."""
        self._is_closed = True
        async with self._news:
            self._news.notify_all()

    async def answer(self, request: web.BaseRequest, response: web.StreamResponse) -> web.StreamResponse:
        """Tell a listener of changes until it goes, or for an hour: it comes again, and whether it may is asked anew.

        response: not begun yet. Raises Refusal where too many listen already.
        """
        if self.listeners >= self.most_listeners:
            raise Refusal(503, "too many look on live; the page itself is there as ever", headers={"Retry-After": "30"})
        response.content_type, response.charset = "text/event-stream", "utf-8"
        # nginx would gather events until they fill a buffer.
        response.headers["X-Accel-Buffering"] = "no"
        if request.method == "HEAD":
            return response
        self.listeners += 1
        try:
            await response.prepare(request)
            await self._tell(request, response)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.listeners -= 1
        return response

    async def _tell(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Raises ConnectionError, TimeoutError."""
        known = request.headers.get("Last-Event-ID") or request.query.get("version", "")
        sent: Made | None = None
        await self._send(response, f"retry: {AGAIN_MS}\n\n")
        until_s = asyncio.get_running_loop().time() + self.life_s
        while not self._is_closed and asyncio.get_running_loop().time() < until_s:
            made = self.now()
            if sent is None and made.version == known:
                sent = made
            if sent is None or made.version != sent.version:
                has = {} if sent is None else sent.parts
                changed = {name: html for name, html in made.parts.items() if has.get(name) != html}
                data = msgspec.json.encode(changed).decode()
                await self._send(response, f"event: parts\nid: {made.version}\ndata: {data}\n\n")
                sent = made
            else:
                await self._send(response, f"event: beat\ndata: {made.version}\n\n")
            await self._wait(sent)

    async def _wait(self, sent: Made) -> None:
        """Until there is something new, or it is time for a beat."""
        try:
            async with asyncio.timeout(self.beat_s), self._news:
                while self._made is sent and not self._is_closed:
                    await self._news.wait()
        except TimeoutError:
            pass

    async def _send(self, response: web.StreamResponse, text: str) -> None:
        async with asyncio.timeout(self.send_s):
            await response.write(text.encode())
