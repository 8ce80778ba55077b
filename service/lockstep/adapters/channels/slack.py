"""Slack: one message for what is told together, edited in place as its alerts go on, with worse news and ends in its
thread. With a bot's token; an incoming webhook can only post.

Slack knows no idempotency key: where an earlier attempt may have arrived, its message is looked for by the delivery's
id before it is posted again.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from lockstep.adapters.channels import Secrets, retry_after_s
from lockstep.adapters.slack_api.calls import SlackCalls
from lockstep.adapters.slack_api.message_blocks import MOST_ITEMS, Rendered, rendered
from lockstep.adapters.slack_api.message_edit import edited
from lockstep.errors import DeliveryError, DeliveryReason
from lockstep.notification import Item, Message, report_id_of
from lockstep.ports import DeliveryLike, Destination, Links, NoLinks, NoPictures, Pictures, Sent

log = structlog.get_logger("lockstep.channels")

TIMEOUT_S = 15.0
UPLOAD_S = 15.0
"""How long the chart of a message may take that is already there."""
GOODBYE_S = 1.0
"""How long the end of the channel waits for charts that are on their way."""
FRESH_S = 2.0
"""A delivery this young, which this very process has seen decided, has had no attempt before."""
CLOCKS_APART_S = 600.0
"""How much earlier than its delivery a message may stand in Slack, whose clock is its own."""
INCOMING = "hooks.slack.com"
"""Where incoming webhooks of Slack lead, and nothing else that is named as one."""

_ID = re.compile(r"[CGD][A-Z0-9]{6,}")


class SlackChannel:
    """ports.Channel. A message's reference is `CHANNEL/TS`; of earlier versions the `ts` alone, which can be answered
    to and not edited."""

    def __init__(
        self,
        secrets: Secrets,
        *,
        base_url: str,
        pictures: Pictures | None = None,
        links: Links | None = None,
        signing_secrets: Sequence[str] = (),
        timeout_s: float = TIMEOUT_S,
        upload_s: float = UPLOAD_S,
    ) -> None:
        """signing_secrets: names of those by which Slack's own requests are known; while none is set, messages have no
        buttons that it would have to bring to us."""
        self._signing_secrets = signing_secrets
        self._secrets, self._pictures, self._upload_s = secrets, pictures or NoPictures(), upload_s
        self._links, self._base_url = links or NoLinks(), base_url
        self._uploads: set[asyncio.Task[None]] = set()
        self._calls = SlackCalls(base_url=base_url, timeout_s=timeout_s)
        self._timeout_s = timeout_s
        self._since: float | None = None
        self._channels: dict[tuple[str, str], str] = {}
        self._hinted: set[str] = set()

    async def send(self, destination: Destination, delivery: DeliveryLike[Message], *, now: datetime) -> Sent:
        where = f"slack/{destination.target}"
        if "webhook" in destination.options:
            return await self._post_by_webhook(destination, delivery, where=where, now=now)
        token = self._secrets(destination.options["token"])
        channel, thread = _place(delivery.thread)
        reference = await self._there_already(token, destination, delivery, channel, thread, where=where, now=now)
        is_new = reference is None
        if reference is None:
            reference = await self._post(token, destination, delivery, thread, where=where, now=now)
        if thread is not None and channel:
            await self._edit(token, channel, thread, destination, delivery.body, where=where, now=now)
        channel, ts = _place(reference)
        if is_new and channel and ts is not None and delivery.body.items and not self._charts(delivery.body):
            # By itself: the message is there, and whoever ends us now must not have it sent again.
            adding = self._add_chart(token, delivery.body.items[0], channel, thread=thread or ts)
            task = asyncio.create_task(adding, name=f"chart-{delivery.id}")
            self._uploads.add(task)
            task.add_done_callback(self._uploads.discard)
        return Sent(reference=reference)

    async def _post(
        self,
        token: str,
        destination: Destination,
        delivery: DeliveryLike[Message],
        thread: str | None,
        *,
        where: str,
        now: datetime,
    ) -> str | None:
        body = delivery.body
        # Worse news must be seen in the channel, too.
        broadcast = True if thread and body.state == "severity" else None
        shown, charts = self._shown(destination, body, with_charts=True), self._charts(body)
        ways: dict[str, Any] = {"where": where, "now": now, "thread": thread, "broadcast": broadcast}
        try:
            answer = await self._calls.post(token, destination.target, shown, delivery.id, **ways)
        except DeliveryError as error:
            if not charts or "invalid_blocks" not in str(error):
                raise
            # Slack fetches the picture when it takes the message, and cannot reach where ours lies.
            self._hint("charts by address", "Slack cannot fetch charts from LOCKSTEP_PUBLIC_URL; messages go without")
            shown = self._shown(destination, body, with_charts=False)
            answer = await self._calls.post(token, destination.target, shown, delivery.id, **ways)
        ts, channel = answer.get("ts"), answer.get("channel")
        if not isinstance(ts, str):
            return None
        if not isinstance(channel, str):
            return ts
        self._channels[destination.options["token"], destination.target] = channel
        return f"{channel}/{ts}"

    async def _there_already(
        self,
        token: str,
        destination: Destination,
        delivery: DeliveryLike[Message],
        channel: str,
        thread: str | None,
        *,
        where: str,
        now: datetime,
    ) -> str | None:
        """The reference of the delivery's message, where an attempt that nobody heard the end of has posted it."""
        moment = now.timestamp()
        if self._since is None:
            self._since = moment
        is_fresh = delivery.created >= self._since and abs(moment - delivery.created) <= FRESH_S
        if delivery.attempts == 0 and is_fresh:
            return None
        try:
            known = channel or await self._channel_of(token, destination, where=where, now=now)
            if not known:
                return None
            since = delivery.created - CLOCKS_APART_S
            ts = await self._calls.posted(token, known, delivery.id, since=since, thread=thread, where=where, now=now)
        except DeliveryError as error:
            if _is_of_settings(error):
                # Rather told twice than not at all.
                scopes = "channels:read, groups:read, channels:history and groups:history"
                self._hint("look-ups", f"{error}; with the scopes {scopes} a message is never posted twice")
                return None
            raise
        return None if ts is None else f"{known}/{ts}"

    async def _channel_of(self, token: str, destination: Destination, *, where: str, now: datetime) -> str | None:
        target, key = destination.target, (destination.options["token"], destination.target)
        if _ID.fullmatch(target):
            return target
        if key not in self._channels:
            channel = await self._calls.channel_id(token, target, where=where, now=now)
            if channel is None:
                return None
            self._channels[key] = channel
        return self._channels[key]

    async def _edit(
        self, token: str, channel: str, ts: str, destination: Destination, body: Message, *, where: str, now: datetime
    ) -> None:
        """Have the first message say how its alerts stand. What cannot be edited is left as it is."""
        try:
            posted = await self._calls.message(token, channel, ts, where=where, now=now)
            shown = (
                None
                if posted is None
                else edited(posted, body, pages=self._pages(destination, body), answered=self._is_answered())
            )
            if shown is not None:
                await self._calls.edit(token, channel, ts, shown, where=where, now=now)
        except DeliveryError as error:
            if error.retryable and not _is_of_settings(error) and not _is_uneditable(error):
                raise  # what answers to it is found there when this is tried again
            self._hint("edits", f"{error}; with the scopes channels:history and groups:history it is edited in place")

    def _shown(self, destination: Destination, body: Message, *, with_charts: bool) -> Rendered:
        pages = self._pages(destination, body)
        charts = self._charts(body) if with_charts else {}
        return rendered(
            body, pages=pages, charts=charts, answered=self._is_answered(), report_page=self._report_page(body)
        )

    def _is_answered(self) -> bool:
        """Whether somebody here hears of a button that is pressed."""
        for name in self._signing_secrets:
            with suppress(DeliveryError):
                return bool(self._secrets(name))
        return False

    def _pages(self, destination: Destination, body: Message) -> dict[str, str]:
        return {item.episode_id: self._links.page(item, destination) or "" for item in body.items[:MOST_ITEMS]}

    def _report_page(self, body: Message) -> str:
        """Where the report that a message is can be seen as a page."""
        report = report_id_of(body)
        return self._links.report(report) or "" if report else ""

    def _charts(self, body: Message) -> dict[str, str]:
        """Where Slack fetches the picture of the first item."""
        chart = self._links.chart(body.items[0]) if body.items else None
        return {} if chart is None or "charts by address" in self._hinted else {body.items[0].episode_id: chart}

    def _hint(self, about: str, reason: str) -> None:
        """Say once what an operator can better."""
        if about not in self._hinted:
            self._hinted.add(about)
            log.warning("slack can do more", about=about, reason=reason)

    async def _post_by_webhook(
        self, destination: Destination, delivery: DeliveryLike[Message], *, where: str, now: datetime
    ) -> Sent:
        """A message by an incoming webhook: no thread, no edit, no buttons that know who we are; and no way to see
        whether an attempt before has arrived."""
        url = self._secrets(destination.options["webhook"])
        host = urlsplit(url).hostname
        if host not in (INCOMING, urlsplit(self._base_url).hostname):
            said = f"{where}: secret {destination.options['webhook']} is no address below https://{INCOMING}/"
            raise DeliveryError("configuration", said, retryable=True)
        body = delivery.body
        shown = rendered(
            body,
            pages=self._pages(destination, body),
            charts=self._charts(body),
            answered=False,
            report_page=self._report_page(body),
        )
        document = {"text": shown.text, "blocks": shown.blocks, "attachments": shown.attachments}
        try:
            async with self._calls.session.post(url, json=document, allow_redirects=False) as answer:
                said = (await answer.content.read(200)).decode("utf-8", "replace").strip()
                status, after = answer.status, retry_after_s(answer.headers, now)
        except TimeoutError as error:
            raise DeliveryError("timeout", f"{where}: no answer in {self._timeout_s:g} s", retryable=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryError(
                "connection", f"{where}: cannot be reached ({type(error).__name__})", retryable=True
            ) from error
        if status == 200:
            return Sent()
        raise _refused(where, status, said, after)

    async def _add_chart(self, token: str, item: Item, channel: str, *, thread: str) -> None:
        """Put the chart of an item into the thread of its message. Raises nothing."""
        try:
            async with asyncio.timeout(self._upload_s):
                picture = await self._pictures.of(item)
                if picture is not None:
                    await self._calls.upload(token, picture, item.headline, channel=channel, thread=thread)
        except (SlackApiError, DeliveryError) as error:
            response: Any = getattr(error, "response", None)
            code = str(response.get("error") if hasattr(response, "get") else error)[:100]
            hint = "; give the bot the scope files:write" if code in ("missing_scope", "no_permission") else ""
            log.warning("a chart could not be added to its message", channel="slack", reason=f"{code}{hint}")
        except Exception as error:
            # Whatever the library lets out of its insides, or a network does.
            log.warning("a chart could not be added to its message", channel="slack", reason=type(error).__name__)

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
        await self._calls.close()


def _place(reference: str | None) -> tuple[str, str | None]:
    """(channel's id or "", `ts` or None) of a reference."""
    channel, _, ts = (reference or "").rpartition("/")
    return channel, ts or None


def _is_of_settings(error: DeliveryError) -> bool:
    """Whether it works only when somebody has done something: a scope, a channel, a proxy that lets it through."""
    return error.reason in ("configuration", "authError", "clientError")


def _is_uneditable(error: DeliveryError) -> bool:
    """Whether a message is not to be edited any more, by Slack's own words."""
    words = ("message_not_found", "cant_update_message", "edit_window_closed", "msg_too_long", "thread_not_found")
    return any(word in str(error) for word in words)


def _refused(where: str, status: int, said: str, after: float | None) -> DeliveryError:
    """What an incoming webhook's answer means. said: its own words."""
    words = f"{where}: HTTP {status}{f' {said[:100]}' if said.isprintable() and said else ''}"
    if status == 429:
        return DeliveryError("rateLimited", f"{where}: rate limited", retryable=True, retry_after_s=after)
    if status == 400 and said in ("invalid_payload", "no_text", "invalid_blocks", "invalid_attachments"):
        return DeliveryError("clientError", words, retryable=False)
    if status in (401, 403, 404, 410):
        hint = "make a new incoming webhook, or look at the proxies between"
        return DeliveryError("configuration", f"{words}; {hint}", retryable=True)
    reason: DeliveryReason = "serverError" if status >= 500 else "clientError"
    return DeliveryError(reason, words, retryable=True, retry_after_s=after)
