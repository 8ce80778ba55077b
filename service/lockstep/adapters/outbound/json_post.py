"""A POST of JSON to an address that is a secret: no redirects, no cookies, no proxies of the environment.

Where there is no answer, a DeliveryError says so without the address.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp

from lockstep.adapters.channels import retry_after_s
from lockstep.errors import DeliveryError
from lockstep.text.host import is_loopback, url_fault

MOST_READ = 4_096
"""Bytes of an answer that are looked at."""


def secret_address(text: str, *, what: str) -> str:
    """An address to post to: https, or http on this machine's loopback, where it passes no network.

    what: as a message names it. Raises DeliveryError('configuration') for another; it does not repeat the address.
    """
    form = f"{what} is no address like https://host/path", "copy it whole, without a user in it"
    wrong = url_fault(text, form)
    if wrong is not None:
        # Of a host that cannot be, url_fault repeats the host: it is part of a secret here.
        raise DeliveryError("configuration", f"{form[0]}; {form[1]}", retryable=True)
    parts = urlsplit(text)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        said = f"{what} begins with http://; its path is a secret, which goes by https:// alone"
        raise DeliveryError("configuration", said, retryable=True)
    return text


@dataclass(frozen=True)
class PostAnswer:
    """text: the beginning of the body. after_s: in how many seconds it wants to be asked again; None: not said."""

    status: int
    text: str
    after_s: float | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def bare_session(timeout_s: float) -> aiohttp.ClientSession:
    """Connections without cookies or the environment's proxies."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        # A lane has one attempt at a time, so there are never more connections than destinations.
        connector=aiohttp.TCPConnector(limit=0),
        trust_env=False,
    )


class JsonPosts:
    """One session, made with the first post."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, made with the first post."""
        if self._session is None:
            self._session = bare_session(self._timeout_s)
        return self._session

    async def post(self, url: str, document: bytes, *, where: str, now: datetime) -> PostAnswer:
        """What the other side answers, whatever its status. Raises DeliveryError where there is no answer.

        document: JSON in UTF-8. where: as messages name the destination.
        """
        headers = {"content-type": "application/json", "user-agent": "lockstep"}
        try:
            async with self.session.post(url, data=document, headers=headers, allow_redirects=False) as answer:
                raw, after_s = b"", retry_after_s(answer.headers, now)
                with suppress(TimeoutError, aiohttp.ClientError):  # its status says what became of it
                    raw = await answer.content.read(MOST_READ)
                return PostAnswer(answer.status, raw.decode("utf-8", "replace"), after_s)
        except TimeoutError as error:
            raise DeliveryError("timeout", f"{where}: no answer in {self._timeout_s:g} s", retryable=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(
                "connection", f"{where}: cannot be reached ({type(error).__name__})", retryable=True
            ) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
