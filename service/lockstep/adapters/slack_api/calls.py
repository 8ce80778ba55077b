"""Calls of Slack's Web API: one attempt each, every failure a DeliveryError, and the token goes nowhere else."""

import math
from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from lockstep.adapters.slack_api.failures import failure
from lockstep.adapters.slack_api.message_blocks import Rendered
from lockstep.errors import DeliveryError
from lockstep.notification import Picture

EVENT = "lockstep_alert"
"""Type of the metadata that names the delivery of a message."""
LOOKED_AT = 200
"""Messages of a channel, or answers in a thread, that are looked at for a delivery."""
CHANNELS_AT_ONCE = 1_000
MOST_PAGES = 20
"""Of channels, while one is looked for by its name."""


async def _refuse_redirect(
    _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    # The library follows redirects, and the token would go along.
    raise DeliveryError(
        "clientError", f"slack: HTTP {params.response.status}: redirects are not followed", retryable=True
    )


class SlackCalls:
    """What a channel asks of Slack. Retries are its own: the library's would post twice."""

    def __init__(self, *, base_url: str, timeout_s: float) -> None:
        self._base_url, self._timeout_s = base_url, timeout_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, made with the first call."""
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
        return self._session

    def _client(self, token: str) -> AsyncWebClient:
        client = AsyncWebClient(
            token=token,
            base_url=self._base_url,
            session=self.session,
            retry_handlers=[],
            timeout=math.ceil(self._timeout_s),
        )
        client.proxy = None  # it has read HTTPS_PROXY by itself
        return client

    async def call(self, token: str, method: str, *, where: str, now: datetime, **arguments: Any) -> Mapping[str, Any]:
        """One call of a method. Raises DeliveryError, whatever the library underneath raised. where: in words."""
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            answer = await getattr(self._client(token), method)(**given)
            data: Mapping[str, Any] = answer.data
            if not isinstance(data, Mapping):
                raise TypeError("an answer that is no object")
        except SlackApiError as error:
            raise failure(where, error, now) from error
        except TimeoutError as error:
            raise DeliveryError("timeout", f"{where}: no answer in {self._timeout_s:g} s", retryable=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryError(
                "connection", f"{where}: cannot be reached ({type(error).__name__})", retryable=True
            ) from error
        except (SlackClientError, AttributeError, ValueError, TypeError, KeyError) as error:
            # The library lets errors of its own insides out when the answer is not Slack's.
            raise DeliveryError("ambiguous", f"{where}: an answer that is not Slack's", retryable=True) from error
        return data

    async def post(
        self,
        token: str,
        channel: str,
        shown: Rendered,
        delivery_id: str,
        *,
        where: str,
        now: datetime,
        thread: str | None = None,
        broadcast: bool | None = None,
    ) -> Mapping[str, Any]:
        """A new message, which names its delivery; thread: `ts` of the one that it answers to."""
        return await self.call(
            token,
            "chat_postMessage",
            where=where,
            now=now,
            channel=channel,
            text=shown.text,
            blocks=shown.blocks,
            attachments=shown.attachments,
            metadata={"event_type": EVENT, "event_payload": {"delivery_id": delivery_id}},
            unfurl_links=False,
            unfurl_media=False,
            thread_ts=thread,
            reply_broadcast=broadcast,
        )

    async def posted(
        self, token: str, channel: str, delivery_id: str, *, since: float, thread: str | None, where: str, now: datetime
    ) -> str | None:
        """The `ts` of the message of a delivery, where it is there already.

        channel: its id. since: Unix seconds; no older message is looked at. thread: look at its answers instead.
        """
        if thread is None:
            arguments = {"oldest": f"{since:.6f}", "limit": LOOKED_AT, "include_all_metadata": True}
            answer = await self.call(token, "conversations_history", where=where, now=now, channel=channel, **arguments)
        else:
            answer = await self.call(
                token,
                "conversations_replies",
                where=where,
                now=now,
                channel=channel,
                ts=thread,
                oldest=f"{since:.6f}",
                limit=LOOKED_AT,
                include_all_metadata=True,
            )
        for message in answer.get("messages") or ():
            metadata = message.get("metadata") or {}
            payload = metadata.get("event_payload") or {}
            if metadata.get("event_type") == EVENT and payload.get("delivery_id") == delivery_id:
                return str(message.get("ts"))
        return None

    async def message(
        self, token: str, channel: str, ts: str, *, where: str, now: datetime
    ) -> Mapping[str, Any] | None:
        """The message with this `ts`, as it stands there; None where it is gone."""
        arguments = {"latest": ts, "oldest": ts, "inclusive": True, "limit": 1}
        answer = await self.call(token, "conversations_history", where=where, now=now, channel=channel, **arguments)
        return next((message for message in answer.get("messages") or () if message.get("ts") == ts), None)

    async def edit(self, token: str, channel: str, ts: str, shown: Rendered, *, where: str, now: datetime) -> None:
        """Put this in the place of what a message says."""
        # Without blocks and attachments the old ones would stay.
        await self.call(
            token,
            "chat_update",
            where=where,
            now=now,
            channel=channel,
            ts=ts,
            text=shown.text,
            blocks=shown.blocks,
            attachments=shown.attachments,
        )

    async def channel_id(self, token: str, name: str, *, where: str, now: datetime) -> str | None:
        """The id of a channel by its name, `#ops`; None where the bot knows none of it."""
        wanted, cursor = name.removeprefix("#"), ""
        for _ in range(MOST_PAGES):
            answer = await self.call(
                token,
                "conversations_list",
                where=where,
                now=now,
                limit=CHANNELS_AT_ONCE,
                exclude_archived=True,
                cursor=cursor or None,
                types="public_channel,private_channel",
            )
            for channel in answer.get("channels") or ():
                if channel.get("name") == wanted:
                    return str(channel.get("id"))
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return None

    async def upload(self, token: str, picture: Picture, title: str, *, channel: str, thread: str) -> None:
        """The three calls of a file: where to, the bytes, into which thread. The bytes go without the token."""
        client = self._client(token)
        place = await client.files_getUploadURLExternal(
            filename="chart.png", length=len(picture.light), alt_txt=picture.alt[:1_000]
        )
        async with self.session.post(
            str(place["upload_url"]), data=picture.light, headers={"content-type": "image/png"}, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                raise DeliveryError("serverError", f"HTTP {answer.status} for its bytes", retryable=False)
        await client.files_completeUploadExternal(
            files=[{"id": str(place["file_id"]), "title": title[:200]}], channel_id=channel, thread_ts=thread
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
