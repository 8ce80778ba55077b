"""Webhooks: a POST signed by Standard Webhooks v1. The id is the delivery's, the same in every attempt."""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from standardwebhooks import Webhook

from lockstep.adapters.channels import Secrets, host_of, reason_of
from lockstep.errors import DeliveryError
from lockstep.ports import DeliveryLike, Destination, Sent

TIMEOUT_S = 15.0
LARGEST_ANSWER = 20_000


def signer(secret: str) -> Webhook:
    """The signer of a `whsec_` secret of 24 to 64 bytes. Raises DeliveryError for another."""
    try:
        raw = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DeliveryError("configuration", "a webhook secret is whsec_ and base64", retryable=True) from error
    if not secret.startswith("whsec_") or not 24 <= len(raw) <= 64:
        raise DeliveryError("configuration", "a webhook secret is whsec_ and 24 to 64 bytes in base64", retryable=True)
    return Webhook(secret)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """What a Retry-After header asks for, in seconds: a number or an HTTP date."""

    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None


class WebhookChannel:
    """ports.Channel. One session without cookies, redirects or environment proxies; bodies are read up to a limit."""

    def __init__(self, secrets: Secrets, *, timeout_s: float = TIMEOUT_S) -> None:
        self._secrets = secrets
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=4),
                trust_env=False,
            )
        return self._session

    async def send(self, destination: Destination, delivery: DeliveryLike, *, now: datetime) -> Sent:
        hook = signer(self._secrets(destination.options["secret"]))
        body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":"))
        moment = now.astimezone(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "lockstep",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": hook.sign(delivery.id, moment, body),
        }
        where = host_of(destination.target)
        try:
            async with self._open().post(
                destination.target, data=body.encode(), headers=headers, allow_redirects=False
            ) as answer:
                await answer.content.read(LARGEST_ANSWER)
                if 200 <= answer.status < 300:
                    return Sent(detail=f"HTTP {answer.status}")
                reason, retryable = reason_of(answer.status)
                raise DeliveryError(
                    reason,
                    f"webhook/{where}: HTTP {answer.status}",
                    retryable=retryable,
                    retry_after_s=retry_after(answer.headers, now),
                )
        except TimeoutError as error:
            raise DeliveryError(
                "timeout", f"webhook/{where}: no answer in {self._timeout_s:g} s", retryable=True
            ) from error
        except (aiohttp.ClientError, OSError, ValueError, asyncio.IncompleteReadError) as error:
            name = type(error).__name__
            raise DeliveryError("connection", f"webhook/{where}: {name}", retryable=True) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
