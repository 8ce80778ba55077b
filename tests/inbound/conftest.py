"""The server's doors for webhooks, with a broker of each kind behind them."""

import base64
import hmac
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from lockstep.adapters.channels import secrets_from
from lockstep.adapters.http.access import Access
from lockstep.adapters.http.inbound import Inbound
from lockstep.adapters.http.server import HttpServer
from lockstep.adapters.http.token_book import TokenBook
from lockstep.adapters.inbound.senders import SENDERS
from lockstep.adapters.ingest.receipts import Receipts
from lockstep.adapters.ingest.sku_names import SkuNames
from lockstep.adapters.stream import open_broker
from lockstep.errors import BrokerError
from lockstep.ports import Record, TopicSpec
from lockstep.settings import Settings

SECRET = "s3cret of the sender"
BY_NAME = {sender.name: sender for sender in SENDERS}
TOPIC_HEADER = {"shopify": "X-Shopify-Topic", "woocommerce": "X-WC-Webhook-Topic", "segment": "X-Ours"}
NOW = datetime(2026, 11, 26, 9, 31, tzinfo=UTC)


def signature(sender: str, raw: bytes, secret: str = SECRET) -> str:
    """As the sender makes it, written from its documents and not from our code."""
    if sender == "segment":
        return hmac.new(secret.encode(), raw, "sha1").hexdigest()
    return base64.b64encode(hmac.new(secret.encode(), raw, "sha256").digest()).decode()


@dataclass
class _Broker:
    """A broker that is away, or the one it stands for."""

    behind: Any
    away: bool = False

    async def publish(self, records: Sequence[Record]) -> list[tuple[int, int]]:
        if self.away:
            raise BrokerError("the broker does not answer")
        return list(await self.behind.publish(records))

    async def describe(self, topics: Any) -> Any:
        return await self.behind.describe(topics)

    async def bounds(self, topic: str) -> Any:
        return await self.behind.bounds(topic)

    def read(self, *args: Any) -> AsyncIterator[Any]:
        found: AsyncIterator[Any] = self.behind.read(*args)
        return found


@dataclass
class _Ready:
    ready: bool = True
    ready_reason: str = ""
    live: bool = True
    live_reason: str = ""


@dataclass
class Doors:
    """url: of the server. environ: where the secrets are read. skus: the topic of names.

    counted: (sender, topic, outcome) of each webhook.
    """

    url: str
    session: aiohttp.ClientSession
    broker: _Broker
    topics: dict[str, str]
    environ: dict[str, str]
    skus: str
    counted: list[tuple[str, str, str]] = field(default_factory=list)
    events: Counter[str] = field(default_factory=Counter)

    async def post(
        self, sender: str, topic: str, body: Any, *, secret: str | None = SECRET, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """(status, answer). body: an object, or bytes as they are. secret: None sends it unsigned."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        signed = {} if secret is None else {BY_NAME[sender].signed_in: signature(sender, raw, secret)}
        sent = {"Content-Type": "application/json", TOPIC_HEADER[sender]: topic, **signed, **headers}
        async with self.session.post(f"{self.url}/v1/in/{sender}", data=io.BytesIO(raw), headers=sent) as answer:
            said = await answer.json()
            assert ("error" in said) == (answer.status >= 400)
            assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)
            return answer.status, said

    async def published(self) -> list[dict[str, Any]]:
        """Every event on the topics, with its key."""
        found = []
        for topic in self.topics.values():
            for partition, (start, end) in (await self.broker.behind.bounds(topic)).items():
                async for batch in self.broker.behind.read(topic, partition, start, end):
                    for value, key in zip(batch.values, batch.keys, strict=True):
                        found.append({**json.loads(value), "key": key.decode()})
        return found


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    suffix = uuid4().hex[:8]
    topics: dict[str, Any] = {
        f"topic_{role}": f"{role}-{suffix}" for role in ("orders", "traffic", "inventory", "plans")
    }
    if request.param == "sqlite":
        return Settings(broker=f"sqlite:///{tmp_path}/lockstep.db", http_port=0, **topics)
    address = request.getfixturevalue("kafka_address")
    return Settings(broker=f"kafka://{address}", app_id=f"test-{suffix}", http_port=0, **topics)


@pytest.fixture
async def doors(broker_settings: Settings) -> AsyncIterator[Doors]:
    opened = open_broker(broker_settings, clock=lambda: NOW)
    await opened.start()
    topics = broker_settings.topics
    skus = f"{topics['inventory']}-skus"
    await opened.declare([*(TopicSpec(name, 2) for name in topics.values()), TopicSpec(skus, 1, compacted=True)])
    broker, environ = _Broker(opened), {f"LOCKSTEP_SECRET_{name.upper()}": SECRET for name in BY_NAME}
    receipts = Receipts(broker, clock=lambda: NOW, chunk_size=8_192, future_limit_s=10**9)  # type: ignore[arg-type] # publishes and reads only
    async with aiohttp.ClientSession() as session:
        doors = Doors("", session, broker, topics, environ, skus)
        inbound = Inbound(
            topics=topics,
            receipts=receipts,
            skus=SkuNames(broker, topic=skus),  # type: ignore[arg-type] # describes, publishes and reads only
            secrets=secrets_from(environ),
            secret_names=broker_settings.webhook_secrets,
            count=lambda *said: doors.counted.append(said),
            count_events=doors.events.update,
        )
        tokens = TokenBook(opened, topic="nobody-has-one")
        await tokens.refresh()
        server = HttpServer(broker_settings, Access(broker_settings, tokens), [inbound])
        await server.start()
        doors.url = f"http://127.0.0.1:{server.port}"
        yield doors
        await server.stop()
    await opened.stop()
