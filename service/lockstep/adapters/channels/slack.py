"""Slack: chat.postMessage with a bot's token; what ends an episode is said in its thread, with the chart of each."""

import asyncio
import math
import re
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from lockstep.adapters.channels import Secrets, retry_after_s
from lockstep.errors import DeliveryError, DeliveryReason
from lockstep.notification import Item, Message, Picture
from lockstep.ports import DeliveryLike, Destination, Links, NoLinks, NoPictures, Pictures, Sent

log = structlog.get_logger("lockstep.channels")

TIMEOUT_S = 15.0
UPLOAD_S = 15.0
"""How long the chart of a message may take that is already there."""
GOODBYE_S = 1.0
"""How long the end of the channel waits for charts that are on their way."""
MOST_ITEMS = 8
LONGEST_SECTION = 1_300
"""Characters of one item: with MOST_ITEMS of them below the 12,000 that all blocks together may have, and the 3,000
that one may have."""

LONGEST_WHY = 320
"""Characters of why it was sent, and of where more is."""

_SETTINGS = {
    "invalid_auth": "check the bot's token",
    "account_inactive": "check the bot's token",
    "token_revoked": "check the bot's token",
    "token_expired": "check the bot's token",
    "not_authed": "check the bot's token",
    "missing_scope": "give the bot the scope chat:write",
    "no_permission": "give the bot the scope chat:write",
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "make the channel, or invite the bot where it is private",
    "is_archived": "unarchive the channel, or name another in routing.yml",
    "restricted_action": "let the bot post in this channel",
    "team_access_not_granted": "let the bot into the workspace",
    "ekm_access_denied": "let the bot into the workspace",
}
"""What somebody can set right meanwhile → how."""
_AUTH = frozenset(list(_SETTINGS)[:7])
_FINAL = {
    "invalid_arguments",
    "invalid_blocks",
    "invalid_blocks_format",
    "metadata_too_large",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
}
"""Slack's words for a message that it will never take."""
_MARKS = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}


_NOTHING = "\u200b"
"""A zero-width space: nothing to see, and what it stands in is no markup."""
_DELIMITER = re.compile(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])|`")
_LOOKALIKES = {"*": "∗", "_": "\u02cd", "~": "∼", "`": "ˋ"}
_EMOJI = re.compile(r":(?!\d\d(?:-\d\d)?:\d)(?=[\w+'-]+:)")
"""The beginning of `:tada:` or `:100:`, not of the minutes in `12:00:30` or `06:00-22:00`."""
_QUOTE = re.compile(r"^(?=&gt;)", re.MULTILINE)


def escaped(text: str) -> str:
    """Text that Slack shows as it is: no mention, no link of somebody's making, no formatting, no emoji, no quote.

    `*`, `_` and `~` within a word mean nothing to Slack and are kept, so that a sku may be copied; elsewhere signs
    stand in that look like them.
    """
    text = _DELIMITER.sub(lambda delimiter: _LOOKALIKES[delimiter[0]], text)
    text = _EMOJI.sub(f":{_NOTHING}", text)
    for plain, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", f"@{_NOTHING}")):
        text = text.replace(plain, safe)
    return _QUOTE.sub(_NOTHING, text)


def linked(text: str) -> str:
    """An address of ours as a link, anything else as text."""
    if not text.startswith(("https://", "http://")):
        return escaped(text)
    for plain, safe in (("&", "&amp;"), ("<", "%3C"), (">", "%3E"), ("|", "%7C"), (" ", "%20")):
        text = text.replace(plain, safe)
    return f"<{text}>"


def _item(body: Message, item: Item) -> str:
    over = item.is_over
    mark = ":white_check_mark:" if over else _MARKS.get(item.severity, ":large_orange_circle:")
    lines = [f"{mark} *{escaped(item.badge.capitalize())}:* {escaped(item.headline)}"]
    if not over and item.value_bar:
        lines.append(f"`{item.value_bar}` *{item.value}* {escaped(item.span)}")
        lines.append(f"`{item.usual_bar or ' '}` {item.usual} {item.usual_is}")
    foot = f"_{escaped(body.about(item))}_\n_{escaped(item.when)}_"
    if item.owner and not over:
        foot = f"Owner: {escaped(item.owner)}\n{foot}"
    if item.runbook and not over:
        foot = f"{linked(item.runbook)}\n{foot}"
    reasons = "".join(f"\n_{name}:_ {_reason(text)}" for name, text in item.why_parts)
    foot = f"{reasons[1:]}\n{foot}" if reasons else foot
    note = f"\n_Note: {escaped(item.note)}_" if item.note else ""
    # Only the teams' words give way where there is too much: figures, time and markup stay whole.
    left = LONGEST_SECTION - sum(len(line) + 1 for line in lines) - len(foot) - len(note)
    parts = item.team_parts
    share = max(40, left // max(1, len(parts)) - 60)
    lines += [f"*{escaped(team[:30])}:* {_cut(text, share)}" if team else _cut(text, share) for team, text in parts]
    return "\n".join([*lines, foot]) + note


def _reason(text: str) -> str:
    return linked(text) if text.startswith("http") and len(text) <= LONGEST_WHY else _cut(text, LONGEST_WHY)


def _cut(text: str, longest: int) -> str:
    """Escaped text of at most that many characters; cut before it is escaped, so that no escape is cut in two."""
    length = len(text)
    while len(escaped(text[:length])) > longest:
        length -= 1 + (len(escaped(text[:length])) - longest) // 5
    return escaped(text) if length == len(text) else escaped(text[: max(0, length - 1)]) + "…"


def blocks(body: Message) -> list[dict[str, Any]]:
    """A message's blocks, within Slack's limits."""
    shown = body.items[:MOST_ITEMS]
    texts = [_item(body, item) for item in shown] + body.remarks(shown=len(shown))
    # verbatim: addresses and names of channels stay text, only what is marked as a link is one.
    return [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}} for text in texts]


def plain_text(body: Message) -> str:
    """What a phone's lock screen shows."""
    lines = [f"{item.badge.capitalize()}: {item.headline}" for item in body.items[:MOST_ITEMS]]
    return _cut("; ".join([*lines, *body.remarks(shown=len(lines))]), 3_000)


async def _refuse_redirect(
    _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    # The library follows redirects, and the token would go along.
    raise DeliveryError(
        "clientError", f"slack: HTTP {params.response.status}: redirects are not followed", retryable=True
    )


class SlackChannel:
    """ports.Channel. Retries are ours alone: the library's would post twice. No proxies of the environment either."""

    def __init__(
        self,
        secrets: Secrets,
        *,
        base_url: str,
        pictures: Pictures | None = None,
        links: Links | None = None,
        timeout_s: float = TIMEOUT_S,
        upload_s: float = UPLOAD_S,
    ) -> None:
        self._secrets, self._pictures, self._upload_s = secrets, pictures or NoPictures(), upload_s
        self._links = links or NoLinks()
        self._uploads: set[asyncio.Task[None]] = set()
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    def _client(self, token: str) -> AsyncWebClient:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_request_redirect.append(_refuse_redirect)
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=0),
                trace_configs=[trace],
                trust_env=False,
            )
        client = AsyncWebClient(
            token=token,
            base_url=self._base_url,
            session=self._session,
            retry_handlers=[],
            timeout=math.ceil(self._timeout_s),
        )
        client.proxy = None  # it has read HTTPS_PROXY by itself
        return client

    async def send(self, destination: Destination, delivery: DeliveryLike[Message], *, now: datetime) -> Sent:
        client = self._client(self._secrets(destination.options["token"]))
        where = f"slack/{destination.target}"
        body = delivery.body
        # Worse news must be seen in the channel, too.
        broadcast = True if delivery.thread and body.state == "severity" else None
        try:
            answer = await client.chat_postMessage(
                channel=destination.target,
                text=plain_text(body),
                blocks=blocks(body),
                metadata={"event_type": "lockstep_alert", "event_payload": {"delivery_id": delivery.id}},
                unfurl_links=False,
                unfurl_media=False,
                thread_ts=delivery.thread,
                reply_broadcast=broadcast,
            )
            reference, channel = answer.get("ts"), answer.get("channel")
        except SlackApiError as error:
            raise self._failure(where, error, now) from error
        except TimeoutError as error:
            raise DeliveryError("timeout", f"{where}: no answer in {self._timeout_s:g} s", retryable=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryError(
                "connection", f"{where}: cannot be reached ({type(error).__name__})", retryable=True
            ) from error
        except (SlackClientError, AttributeError, ValueError, TypeError, KeyError) as error:
            # The library lets errors of its own insides out when the answer is not Slack's.
            raise DeliveryError("ambiguous", f"{where}: an answer that is not Slack's", retryable=True) from error
        if not isinstance(reference, str):
            return Sent()
        if isinstance(channel, str) and body.items:
            # By itself: the message is there, and whoever ends us now must not have it sent again.
            adding = self._add_chart(client, body.items[0], channel, thread=delivery.thread or reference)
            task = asyncio.create_task(adding, name=f"chart-{delivery.id}")
            self._uploads.add(task)
            task.add_done_callback(self._uploads.discard)
        return Sent(reference=reference)

    async def _add_chart(self, client: AsyncWebClient, item: Item, channel: str, *, thread: str) -> None:
        """Put the chart of an item into the thread of its message. Raises nothing."""
        try:
            async with asyncio.timeout(self._upload_s):
                picture = await self._pictures.of(item)
                if picture is not None:
                    await self._upload(client, picture, item.headline, channel=channel, thread=thread)
        except (SlackApiError, DeliveryError) as error:
            response: Any = getattr(error, "response", None)
            code = str(response.get("error") if hasattr(response, "get") else error)[:100]
            hint = "; give the bot the scope files:write" if code in ("missing_scope", "no_permission") else ""
            log.warning("a chart could not be added to its message", channel="slack", reason=f"{code}{hint}")
        except Exception as error:
            # Whatever the library lets out of its insides, or a network does.
            log.warning("a chart could not be added to its message", channel="slack", reason=type(error).__name__)

    async def _upload(self, client: AsyncWebClient, picture: Picture, title: str, *, channel: str, thread: str) -> None:
        """The three calls of a file: where to, the bytes, into which thread. The bytes go without the token."""
        place = await client.files_getUploadURLExternal(
            filename="chart.png", length=len(picture.light), alt_txt=picture.alt[:1_000]
        )
        assert self._session is not None
        async with self._session.post(
            str(place["upload_url"]), data=picture.light, headers={"content-type": "image/png"}, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                raise DeliveryError("serverError", f"HTTP {answer.status} for its bytes", retryable=False)
        await client.files_completeUploadExternal(
            files=[{"id": str(place["file_id"]), "title": title[:200]}], channel_id=channel, thread_ts=thread
        )

    def _failure(self, where: str, error: SlackApiError, now: datetime) -> DeliveryError:
        response: Any = error.response
        status = getattr(response, "status_code", 200)
        data = getattr(response, "data", response)
        after = retry_after_s(getattr(response, "headers", None) or {}, now)
        if status == 429:
            return DeliveryError("rateLimited", f"{where}: rate limited", retryable=True, retry_after_s=after)
        if not isinstance(data, dict) or data.get("ok") is not False:
            return self._foreign(where, status, after)
        code = str(data.get("error") or f"HTTP {status}")[:100]
        if code in ("ratelimited", "rate_limited"):
            return DeliveryError("rateLimited", f"{where}: rate limited", retryable=True, retry_after_s=after)
        if code in _SETTINGS:
            kind: DeliveryReason = "authError" if code in _AUTH else "configuration"
            return DeliveryError(kind, f"{where}: {code}; {_SETTINGS[code]}", retryable=True)
        if code in _FINAL:
            return DeliveryError("clientError", f"{where}: {code}", retryable=False)
        return DeliveryError("serverError", f"{where}: {code}", retryable=True, retry_after_s=after)

    @staticmethod
    def _foreign(where: str, status: int, after: float | None) -> DeliveryError:
        """An answer without Slack's `ok`: from whatever stands between, such as a proxy, and it will not stand for
        ever."""
        if status < 300:
            return DeliveryError("ambiguous", f"{where}: an answer that is not Slack's", retryable=True)
        reason: DeliveryReason = (
            "serverError" if status >= 500 else "authError" if status in (401, 403, 407) else "clientError"
        )
        hint = "it is not Slack that says so; look at the proxies between"
        return DeliveryError(reason, f"{where}: HTTP {status}; {hint}", retryable=True, retry_after_s=after)

    async def added(self, *, within_s: float = UPLOAD_S) -> bool:
        """Wait until the charts that are on their way have arrived or failed; whether they did within the time."""
        if self._uploads:
            await asyncio.wait(self._uploads, timeout=within_s)
        return not self._uploads

    async def close(self) -> None:
        if not await self.added(within_s=GOODBYE_S):
            late = list(self._uploads)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
