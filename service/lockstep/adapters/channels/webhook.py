"""Webhooks: a POST signed by Standard Webhooks v1. The id is the delivery's, the same in every attempt."""

import base64
import binascii
import json
from datetime import UTC, datetime

import aiohttp
from standardwebhooks import Webhook

from lockstep.adapters.channels import Secrets, host_of, retry_after_s
from lockstep.adapters.outbound.json_post import bare_session
from lockstep.errors import DeliveryError, DeliveryReason
from lockstep.notification import Document
from lockstep.ports import DeliveryLike, Destination, Sent

TIMEOUT_S = 15.0

_NEVER = {400, 410, 413, 414, 415, 422, 431}
"""Answers that say that this will not be taken, now or later. A 404 may be a receiver that is being deployed."""


def signer(secret: str) -> Webhook:
    """The signer of a `whsec_` secret of 24 to 64 bytes. Raises DeliveryError for another."""
    try:
        raw = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not secret.startswith("whsec_") or not 24 <= len(raw) <= 64:
        said = "a webhook secret is whsec_ and 24 to 64 bytes in base64; schemas/README.md shows how to make one"
        raise DeliveryError("configuration", said, retryable=True)
    return Webhook(secret)


def failure(where: str, status: int, *, after_s: float | None = None) -> DeliveryError:
    """What an HTTP status that is no success means for the delivery.

    where: as messages name the destination. after_s: seconds after which the receiver asked to be tried again.
    """
    says = f"{where}: HTTP {status}"
    if status == 410:
        return DeliveryError("clientError", f"{says}: the receiver is gone for good", retryable=False)
    if status in _NEVER:
        return DeliveryError("clientError", f"{says}: the receiver does not take it", retryable=False)
    if 300 <= status < 400:
        message = f"{says}: redirects are not followed; name the final address"
        return DeliveryError("clientError", message, retryable=True, retry_after_s=after_s)
    if status == 429:
        return DeliveryError("rateLimited", says, retryable=True, retry_after_s=after_s)
    reason: DeliveryReason = (
        "authError" if status in (401, 403, 407) else "serverError" if status >= 500 else "clientError"
    )
    return DeliveryError(reason, says, retryable=True, retry_after_s=after_s)


class WebhookChannel:
    """ports.Channel. One session without cookies, redirects or environment proxies; answers' bodies are not read."""

    def __init__(self, secrets: Secrets, *, timeout_s: float = TIMEOUT_S) -> None:
        self._secrets = secrets
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = bare_session(self._timeout_s)
        return self._session

    async def send(self, destination: Destination, delivery: DeliveryLike[Document], *, now: datetime) -> Sent:
        where = f"webhook/{host_of(destination.target)}"
        hook = signer(self._secrets(destination.options["secret"]))
        body = json.dumps(delivery.body, ensure_ascii=False, separators=(",", ":"))
        moment = now.astimezone(UTC)  # the library signs a wrong time for any other zone
        headers = {
            "content-type": "application/json",
            "user-agent": "lockstep",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": hook.sign(delivery.id, moment, body),
        }
        try:
            async with self._open().post(
                destination.target, data=body.encode(), headers=headers, allow_redirects=False
            ) as answer:
                if 200 <= answer.status < 300:
                    return Sent(detail=f"HTTP {answer.status}")
                raise failure(where, answer.status, after_s=retry_after_s(answer.headers, now))
        except TimeoutError as error:
            raise DeliveryError("timeout", f"{where}: no answer in {self._timeout_s:g} s", retryable=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(
                "connection", f"{where}: cannot be reached ({type(error).__name__})", retryable=True
            ) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
