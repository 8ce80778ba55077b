"""Everything else: services that the library apprise knows, for who has installed the extra `lockstep[apprise]`.

Best effort: a plain text, no thread, no edit, no end of an incident; apprise says neither whether another attempt can
help nor when, so each failure is tried again; and where an attempt has arrived unheard, the message comes twice. Each
attempt is a process of its own, with a turn among those of its service, and is killed with the attempt.
"""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import lockstep.adapters.outbound
from lockstep.adapters.channels import Secrets
from lockstep.errors import DeliveryError, DeliveryReason
from lockstep.notification import HANDLED, Item, Message
from lockstep.ports import DeliveryLike, Destination, Links, NoLinks, Sent
from lockstep.text.one_line import flat

TIMEOUT_S = 20.0
"""Of one attempt, from its turn on; the process starts in half a second."""
ATTEMPT_S = 45.0
"""With the wait for its turn."""
AT_ONCE = 2
"""Attempts of one service, such as Telegram, however many destinations it has."""
LARGEST_ANSWER = 4_096
MOST_ITEMS = 8
LONGEST_TITLE = 200
LONGEST_ITEM = 700
LONGEST_BODY = 1_800
"""Characters; Discord takes 2,000."""

SERVICES = frozenset(
    {
        *("discord", "gchat", "gotify", "gotifys", "matrix", "matrixs", "mmost", "mmosts", "ntfy", "ntfys"),
        *("opsgenie", "pover", "rocket", "rockets", "tgram", "webex", "wxteams", "zulip"),
    }
)
"""Schemes of addresses that are sent to; not those of this machine (`syslog`), nor of what has a channel here."""
REFUSED_KEYS = frozenset(
    {
        *("verify", "redirect", "retry", "wait", "cto", "rto", "timeout"),  # safety and attempts are ours
        *("attach", "template", "config", "store", "format", "overflow", "emojis", "optional"),  # files, and markup
    }
)
_KEPT = ("PATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "http_proxy", "https_proxy")
_ENVIRON = frozenset({*_KEPT, "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "no_proxy"})
"""What the process sees of the environment: no secret but the one that it is given."""
_PROGRAM = Path(lockstep.adapters.outbound.__file__).with_name("apprise_process.py")

_NOTHING = "\u200b"
_LOOKALIKES = str.maketrans({"*": "∗", "~": "∼", "`": "ˋ", "|": "∣", "\\": "∖"})
_EDGE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_MARKUP = re.compile(r"(?<=[<@])|(?<=\])(?=\()|(?<=:)(?=//)|(?<=\bwww)(?=\.)|(?<=:)(?!\d\d(?:-\d\d)?:\d)(?=[\w+'-]+:)")


def missing() -> tuple[str, str] | None:
    """(what is missing on this machine, the way out); None where apprise is installed."""
    if find_spec("apprise") is not None:
        return None
    return "apprise is not installed here", "`pip install 'lockstep[apprise]'` where `lockstep serve` runs"


def service_of(secret: str) -> str:
    """The scheme of an address of apprise's. Raises DeliveryError for one that is not sent to; it is not repeated."""
    try:
        parts = urlsplit(secret)
        keys = {key.lower().lstrip("+-:") for key, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        parts, keys = urlsplit(""), set()
    known = ", ".join(sorted(SERVICES))
    if parts.scheme not in SERVICES or any(c.isspace() or not c.isprintable() for c in secret):
        said = f"the secret is no address of apprise's that is sent to; it begins with one of {known}, and ://"
        raise DeliveryError("configuration", said, retryable=True)
    refused = sorted(keys & REFUSED_KEYS)
    if refused:
        said = f"the address of apprise's has '{refused[0]}', which is not for it to say; take it out"
        raise DeliveryError("configuration", said, retryable=True)
    return parts.scheme


def ready(secret: str) -> str:
    """`service_of`, where apprise is installed. Raises DeliveryError where it is not, too."""
    lack = missing()
    if lack is not None:
        raise DeliveryError("configuration", f"{lack[0]}; {lack[1]}", retryable=True)
    return service_of(secret)


class AppriseChannel:
    """ports.Channel."""

    def __init__(
        self,
        secrets: Secrets,
        *,
        links: Links | None = None,
        timeout_s: float = TIMEOUT_S,
        program: Path = _PROGRAM,
    ) -> None:
        self._secrets, self._links = secrets, links or NoLinks()
        self._timeout_s, self._program = timeout_s, program
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def send(self, destination: Destination, delivery: DeliveryLike[Message], *, now: datetime) -> Sent:
        where = f"apprise/{destination.receiver}"
        lack = missing()
        if lack is not None:
            raise DeliveryError("configuration", f"{where}: {lack[0]}; {lack[1]}", retryable=True)
        url = self._secrets(destination.options["url"])
        service = service_of(url)
        body = delivery.body
        pages = {item.episode_id: self._links.page(item, destination) or "" for item in body.items[:MOST_ITEMS]}
        title, text = title_and_body(body, pages)
        asked = {"url": url, "title": title, "body": text, "timeout_s": self._timeout_s}
        try:
            async with (
                asyncio.timeout(self._timeout_s * 2),
                self._turns.setdefault(service, asyncio.Semaphore(AT_ONCE)),
            ):
                answer = await self._ask(asked)
        except TimeoutError as error:
            raise DeliveryError("timeout", f"{where}: no end in {self._timeout_s:g} s", retryable=True) from error
        except (OSError, ValueError) as error:
            said = f"{where}: the process of apprise has failed ({type(error).__name__})"
            raise DeliveryError("other", said, retryable=True) from error
        failure = _failure(where, answer)
        if failure is not None:
            raise failure
        return Sent(detail=service)

    async def _ask(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the process answers. It has ended when this ends, however that is."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(self._program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name in _ENVIRON},
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps(asked).encode())
                process.stdin.close()
                said = await process.stdout.read(LARGEST_ANSWER)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        answer = json.loads(said)
        if not isinstance(answer, dict):
            raise ValueError("an answer that is no object")
        return answer

    async def close(self) -> None:
        """Each attempt has a process of its own."""


def title_and_body(body: Message, pages: Mapping[str, str]) -> tuple[str, str]:
    """A message as plain text. pages: episode id → the address of the alert's page, the only link in it."""
    items = body.items[:MOST_ITEMS]
    count = len(body.items) + body.more
    title = _shown(items[0].line if items else body.subject)
    if count > 1:
        title = _shown(body.lead)
    foot = [_shown(line) for line in body.remarks(shown=len(items))]
    blocks: list[str] = []
    # Lines give way from the end where there is too much: what is wrong stands first, and a link is whole or not there.
    left = LONGEST_BODY - sum(len(line) + 1 for line in foot)
    for item in items:
        lines = list(_lines(body, item, pages.get(item.episode_id, ""), with_headline=count > 1))
        block = "\n".join(lines)
        if len(block) + 2 > left:
            foot.append("More stands on the alerts' pages.")
            break
        blocks.append(block)
        left -= len(block) + 2
    return _cut(title, LONGEST_TITLE), "\n\n".join(filter(None, [*blocks, "\n".join(foot)])) or _cut(title, 200)


def _lines(body: Message, item: Item, page: str, *, with_headline: bool) -> Iterator[str]:
    if with_headline:
        yield _cut(_shown(item.line), LONGEST_TITLE)
    if item.handled:
        yield _cut(f"Now: {_shown(item.handled)}", LONGEST_TITLE)
    if not item.is_over and item.state != HANDLED and item.value:
        usual = f", {_shown(item.usual_is)} {_shown(item.usual)}" if item.usual else ""
        yield _cut(f"Value: {_shown(item.value)} {_shown(item.span)}{usual}", LONGEST_TITLE)
    parts = item.team_parts
    share = LONGEST_ITEM // max(1, len(parts))
    for part in parts[:MOST_ITEMS]:
        name = part.team or ("To do" if part.to_do else "")
        yield _cut(f"{_shown(name)}: {_shown(part.whole)}" if name else _shown(part.whole), max(60, share))
    yield _cut(f"About: {_shown(body.about(item))}", LONGEST_TITLE)
    if item.at:
        yield f"When: {_shown(item.when)}"
    if page:
        yield page


def _shown(text: str) -> str:
    """Text that is no markup, no mention and no link, in whichever of the services it is read."""
    return _MARKUP.sub(_NOTHING, _EDGE.sub("ˍ", flat(text).translate(_LOOKALIKES)))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _failure(where: str, answer: Mapping[str, Any]) -> DeliveryError | None:
    """What the process' answer means for the delivery; None for a success."""
    outcome, status = answer.get("outcome"), answer.get("status")
    if outcome == "sent":
        return None
    if outcome == "refused":
        said = f"{where}: apprise cannot read the address; compare it with its page of this service"
        return DeliveryError("configuration", said, retryable=True)
    if outcome == "timeout":
        return DeliveryError("timeout", f"{where}: the service does not answer", retryable=True)
    if not isinstance(status, int):
        said = f"{where}: apprise could not send it; look at the address, and whether the service can be reached"
        return DeliveryError("other", said, retryable=True)
    reasons: dict[int, DeliveryReason] = {401: "authError", 403: "authError", 407: "authError", 429: "rateLimited"}
    reason = reasons.get(status, "serverError" if status >= 500 else "clientError")
    return DeliveryError(reason, f"{where}: HTTP {status}", retryable=True)
