"""Which senders of webhooks there are, how each signs a body, and what it calls its topics."""

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lockstep.adapters.inbound import segment, shopify, woocommerce
from lockstep.adapters.inbound.translation import Translation

OTHER = "other"
"""What a topic that is not ours is called in metrics: senders name them, and there may be any number."""


@dataclass(frozen=True)
class Sender:
    """name: as in the path and the metrics. title: as people call it. signed_in: the header of its signature, an HMAC
    of the raw body by `digest`, written as base64 or hex. topic_in: the header that names its topic; None where
    `topic_of` reads it in the body. topics: those that become events.

    ping: what it sends, unsigned, to see whether anybody is there; None where it does not. without_sku: topics that
    name a thing otherwise than by its sku, which other topics have told.
    """

    name: str
    title: str
    signed_in: str
    digest: Literal["sha256", "sha1"]
    written: Literal["base64", "hex"]
    topic_in: str | None
    topics: tuple[str, ...]
    translate: Callable[[str, Mapping[str, Any], Mapping[str, str], Mapping[str, str]], Translation]
    topic_of: Callable[[Mapping[str, Any]], str] | None = None
    ping: re.Pattern[bytes] | None = None
    without_sku: frozenset[str] = frozenset()

    def topic(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> str:
        """What a body is about, in lower case; "" where nothing says so. headers: their names in lower case."""
        if self.topic_of is not None:
            return self.topic_of(body)
        return headers.get((self.topic_in or "").lower(), "").strip().lower()

    def is_signed(self, raw: bytes, signature: str, secrets: Iterable[str]) -> bool:
        """Whether one of the secrets signed these bytes, in a time that says nothing of how much of it was right."""
        given = signature.strip().encode("utf-8", "surrogateescape")
        right = [hmac.compare_digest(given, self._signature(raw, secret)) for secret in secrets]
        return any(right)

    def _signature(self, raw: bytes, secret: str) -> bytes:
        mac = hmac.new(secret.encode("utf-8", "surrogateescape"), raw, self.digest)
        return base64.b64encode(mac.digest()) if self.written == "base64" else mac.hexdigest().encode()


SHOPIFY = Sender(
    "shopify",
    "Shopify",
    signed_in="X-Shopify-Hmac-Sha256",
    digest="sha256",
    written="base64",
    topic_in=shopify.TOPIC_IN,
    topics=shopify.TOPICS,
    translate=shopify.translate,
    without_sku=shopify.WITHOUT_SKU,
)
WOOCOMMERCE = Sender(
    "woocommerce",
    "WooCommerce",
    signed_in="X-WC-Webhook-Signature",
    digest="sha256",
    written="base64",
    topic_in=woocommerce.TOPIC_IN,
    topics=woocommerce.TOPICS,
    translate=woocommerce.translate,
    ping=re.compile(rb"webhook_id=[0-9]{1,20}"),
)
SEGMENT = Sender(
    "segment",
    "Segment",
    signed_in="X-Signature",
    digest="sha1",
    written="hex",
    topic_in=None,
    topics=segment.TOPICS,
    topic_of=segment.topic_of,
    translate=segment.translate,
)

SENDERS = (SHOPIFY, WOOCOMMERCE, SEGMENT)
