"""Slack: chat.postMessage with a bot's token; what ends an episode is said in its thread."""

import math
from datetime import datetime
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from lockstep.adapters.channels import Secrets
from lockstep.errors import DeliveryError
from lockstep.ports import DeliveryLike, Destination, Sent

TIMEOUT_S = 15.0
MOST_ITEMS = 8
LONGEST_SECTION = 1_400

_AUTH = {"invalid_auth", "account_inactive", "token_revoked", "not_authed", "missing_scope", "token_expired"}
_FINAL = {"channel_not_found", "is_archived", "invalid_blocks", "msg_too_long", "restricted_action", "no_text"}
_MARKS = {"critical": ":red_circle:", "warning": ":large_orange_circle:", "info": ":large_blue_circle:"}


def escaped(text: str) -> str:
    """Text that Slack shows as it is: no mention, no link of somebody's making."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")


def blocks(body: Any) -> list[dict[str, Any]]:
    """A message's blocks, within Slack's limits."""
    found: list[dict[str, Any]] = []
    for item in body["items"][:MOST_ITEMS]:
        over = item["state"] in ("resolved", "fired and resolved")
        mark = ":white_check_mark:" if over else _MARKS.get(item["severity"], ":large_orange_circle:")
        lines = [f"{mark} *{escaped(item['headline'])}*"]
        if not over and item["value_bar"]:
            lines.append(f"`{item['value_bar']}` {item['value']}")
            lines.append(f"`{item['usual_bar'] or ' '}` {item['usual']} {item['usual_is']}")
        for team, text in item["texts"].items():
            if not over:
                lines.append(f"*{escaped(team.capitalize())}:* {escaped(text)}")
        lines.append(f"_{escaped(item['at'])}_")
        text = "\n".join(lines)[:LONGEST_SECTION]
        found.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    more = max(0, len(body["items"]) - MOST_ITEMS) + int(body["more"])
    if more:
        found.append({"type": "section", "text": {"type": "mrkdwn", "text": f"and {more} more"}})
    return found


class SlackChannel:
    """ports.Channel. Retries are ours alone: the library's would post twice."""

    def __init__(self, secrets: Secrets, *, base_url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._secrets = secrets
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    def _client(self, token: str) -> AsyncWebClient:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._timeout_s), trust_env=False)
        return AsyncWebClient(
            token=token,
            base_url=self._base_url,
            session=self._session,
            retry_handlers=[],
            timeout=math.ceil(self._timeout_s),
        )

    async def send(self, destination: Destination, delivery: DeliveryLike, *, now: datetime) -> Sent:
        client = self._client(self._secrets(destination.options["token"]))
        where = f"slack/{destination.target}"
        body: Any = delivery.body
        text = escaped("; ".join(item["headline"] for item in body["items"][:MOST_ITEMS]))[:3_000]
        try:
            answer = await client.chat_postMessage(
                channel=destination.target,
                text=text,
                blocks=blocks(body),
                thread_ts=delivery.thread,
                metadata={"event_type": "lockstep_alert", "event_payload": {"delivery_id": delivery.id}},
                unfurl_links=False,
            )
            return Sent(reference=str(answer["ts"]))
        except SlackApiError as error:
            raise self._failure(where, error) from error
        except TimeoutError as error:
            raise DeliveryError("timeout", f"{where}: no answer in {self._timeout_s:g} s", retryable=True) from error
        except (aiohttp.ClientError, OSError) as error:
            raise DeliveryError("connection", f"{where}: {type(error).__name__}", retryable=True) from error
        except (SlackClientError, AttributeError, ValueError, TypeError, KeyError) as error:
            # The library lets errors of its own insides out when the answer is not Slack's.
            raise DeliveryError("ambiguous", f"{where}: an answer that is not Slack's", retryable=True) from error

    def _failure(self, where: str, error: SlackApiError) -> DeliveryError:
        response: Any = error.response
        status = getattr(response, "status_code", 200)
        try:
            code = str(response["error"])
        except (KeyError, TypeError, ValueError):
            code = f"HTTP {status}"
        after = None
        try:
            after = float(response.headers.get("Retry-After", ""))
        except (AttributeError, ValueError, TypeError):
            after = None
        if code == "ratelimited" or status == 429:
            return DeliveryError("rateLimited", f"{where}: rate limited", retryable=True, retry_after_s=after)
        if code in _AUTH:
            return DeliveryError("authError", f"{where}: {code}; check the bot's token and scopes", retryable=True)
        if code == "not_in_channel":
            return DeliveryError("clientError", f"{where}: invite the bot to the channel", retryable=True)
        if code in _FINAL:
            return DeliveryError("clientError", f"{where}: {code}", retryable=False)
        return DeliveryError("serverError", f"{where}: {code}", retryable=True, retry_after_s=after)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
