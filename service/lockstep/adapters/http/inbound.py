"""POST /v1/in/SENDER: webhooks of shops and tools, proved by their own signature, become events of ours.

Whatever a sender says that rules do not read is counted and answered 200: a webhook that is refused is sent again for
hours, and then switched off. So is what can never become an event. 503 alone means: send it again.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from aiohttp import web

from lockstep.adapters.channels import Secrets
from lockstep.adapters.http.body import read_body
from lockstep.adapters.http.openapi import (
    COUNT,
    TEXT,
    Operation,
    answer,
    answers,
    error,
    list_of,
    object_of,
    operations_of,
)
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.inbound.senders import OTHER, SEGMENT, SHOPIFY, WOOCOMMERCE, Sender
from lockstep.adapters.inbound.translation import BadPayload, Translation, WebhookOutcome
from lockstep.adapters.ingest.receipts import Outcome, Receipts
from lockstep.adapters.ingest.records import record_of
from lockstep.adapters.ingest.sku_names import SkuNames
from lockstep.errors import BrokerError, DeliveryError, EventError
from lockstep.event import LARGEST_EVENT, not_json
from lockstep.ports import Record

log = structlog.get_logger("lockstep.http")

_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

TAKEN = object_of(
    "What became of a webhook",
    {
        **{
            outcome.value: {**COUNT, "description": description}
            for outcome, description in {
                Outcome.ACCEPTED: "Events of it that the broker has and that count",
                Outcome.DUPLICATE: "Events of it that came before: a retry",
                Outcome.FUTURE: "Events of it whose time is too far ahead of the broker's clock: not counted",
            }.items()
        },
        "ignored": {**TEXT, "description": "Why nothing comes of it; empty where something does"},
        "refused": list_of("What of it cannot be an event, and why; sent again it would be no better", TEXT),
    },
)


def _topic(sender: Sender) -> dict[str, Any]:
    read = ", ".join(f"`{topic}`" for topic in sender.topics)
    described = f"Of what it speaks; read are {read}"
    return {"name": sender.topic_in, "in": "header", "description": described, "schema": TEXT}


def _operation(sender: Sender) -> Operation:
    signed = f"`{sender.signed_in}`: the {sender.written} of HMAC-{sender.digest.upper()} of the body, as it was sent"
    return Operation(
        "POST",
        f"/v1/in/{sender.name}",
        f"A webhook of {sender.title}; needs no token, but its signature",
        {
            200: answer(
                "The broker has what became of it; or nothing did, and why", {"$ref": "#/components/schemas/Taken"}
            ),
            400: error("Signed, but no JSON"),
            401: error("Not signed, or with another secret; nothing was published", WWW_Authenticate=signed),
            403: error("No secret is set, so nothing can be proved: how to set one"),
            408: error("The body has not come whole within a minute"),
            413: error("More than 1 MiB (1,048,576 bytes), as it came or unpacked"),
            415: error("Packed in another way", Accept_Encoding="What is taken"),
            503: error("The broker does not answer: send it again"),
        },
        parameters=[
            {"name": sender.signed_in, "in": "header", "required": True, "description": signed, "schema": TEXT},
            *([] if sender.topic_in is None else [_topic(sender)]),
        ],
        body={"application/json": {"schema": {"type": "object", "description": f"As {sender.title} sends it"}}},
        is_open=True,
    )


class Inbound:
    """The handlers of all senders."""

    def __init__(
        self,
        *,
        topics: Mapping[str, str],
        receipts: Receipts,
        skus: SkuNames,
        secrets: Secrets,
        secret_names: Mapping[str, Sequence[str]],
        count: Callable[[str, str, WebhookOutcome], None],
        count_events: Callable[[Mapping[str, int]], None],
    ) -> None:
        """topics: role → topic. skus: of what senders name otherwise. secrets: name → value. secret_names: sender → the
        names of its secrets: several while one follows the other. count: hears of every webhook its sender, its topic
        (OTHER for one that is not ours) and what became of it. count_events: as of `POST /v1/events`, how many events
        had which outcome.
        """
        self._topics, self._receipts, self._skus = topics, receipts, skus
        self._secrets, self._secret_names = secrets, secret_names
        self._count, self._count_events = count, count_events

    @answers(_operation(SHOPIFY))
    async def _shopify(self, request: web.BaseRequest) -> web.Response:
        return await self._take(SHOPIFY, request)

    @answers(_operation(WOOCOMMERCE))
    async def _woocommerce(self, request: web.BaseRequest) -> web.Response:
        return await self._take(WOOCOMMERCE, request)

    @answers(_operation(SEGMENT))
    async def _segment(self, request: web.BaseRequest) -> web.Response:
        return await self._take(SEGMENT, request)

    async def _take(self, sender: Sender, request: web.BaseRequest) -> web.Response:
        secrets = self._known_secrets(sender)
        raw = await read_body(request, most=LARGEST_EVENT)
        headers = {name.lower(): value for name, value in request.headers.items()}
        signature = headers.get(sender.signed_in.lower())
        if signature is None and sender.ping is not None and sender.ping.fullmatch(raw):
            return self._said(sender, OTHER, Translation(reason="a ping, which is answered and says nothing"))
        if signature is None or not sender.is_signed(raw, signature, secrets):
            self._count(sender.name, OTHER, WebhookOutcome.UNSIGNED)
            raise _unsigned(sender, raw, is_missing=signature is None)
        try:
            body = msgspec.json.decode(raw)
        except _UNREADABLE as error:
            self._count(sender.name, OTHER, WebhookOutcome.REFUSED)
            raise Refusal(400, f"no JSON: {not_json(error)}") from error
        if not isinstance(body, dict):
            return self._said(sender, OTHER, Translation(reason="it is no JSON object"))
        said = sender.topic(body, headers)
        topic = said if said in sender.topics else OTHER
        try:
            skus = await self._skus.known() if topic in sender.without_sku else {}
            translation = sender.translate(said, body, headers, skus)
            await self._skus.learn(translation.skus)
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        except BadPayload as error:
            return self._said(sender, topic, Translation(), refused=[str(error)])
        return await self._publish(sender, topic, translation)

    def _known_secrets(self, sender: Sender) -> list[str]:
        """Raises Refusal where none of the sender's secrets is set."""
        known: list[str] = []
        missing = ""
        for name in self._secret_names[sender.name]:
            try:
                known.append(self._secrets(name))
            except DeliveryError as error:
                missing = missing or str(error)
        if not known:
            way_out = f"to what {sender.title} signs with (`Webhooks in` in deploy/README.md says where that stands)"
            raise Refusal(403, f"/v1/in/{sender.name} is closed: {missing} {way_out}")
        return known

    async def _publish(self, sender: Sender, topic: str, translation: Translation) -> web.Response:
        records: list[Record] = []
        refused: list[str] = []
        for event in translation.events:
            try:
                record = record_of(msgspec.json.encode(event), self._topics)
            except (EventError, UnicodeEncodeError) as error:
                refused.append(f"{event['type']}: {error}")
                continue
            if isinstance(record, Record):
                records.append(record)
        try:
            receipts = await self._receipts.publish(records)
        except BrokerError as error:
            raise Refusal(503, str(error)) from error
        counts = Counter(receipt.outcome for receipt in receipts)
        self._count_events({outcome.value: count for outcome, count in counts.items()})
        return self._said(sender, topic, translation, counts=counts, refused=refused)

    def _said(
        self,
        sender: Sender,
        topic: str,
        translation: Translation,
        *,
        counts: Mapping[Outcome, int] | None = None,
        refused: Sequence[str] = (),
    ) -> web.Response:
        """The answer, and what is counted of it."""
        if refused:
            self._count_events({"refused": len(refused)})
            log.warning("a webhook cannot be an event", sender=sender.name, topic=topic, reason="; ".join(refused[:3]))
        outcome = WebhookOutcome.PUBLISHED
        if refused:
            outcome = WebhookOutcome.REFUSED
        elif translation.reason:
            outcome = WebhookOutcome.IGNORED
        self._count(sender.name, topic, outcome)
        became = {
            outcome.value: (counts or {}).get(outcome, 0) for outcome in Outcome if outcome is not Outcome.UNKNOWN
        }
        return web.json_response({**became, "ignored": translation.reason, "refused": list(refused)})


OPERATIONS = operations_of(Inbound)
"""What can be asked, by the name of the method that answers."""


def _unsigned(sender: Sender, raw: bytes, *, is_missing: bool) -> Refusal:
    said = f"{sender.signed_in} is missing" if is_missing else f"{sender.signed_in} is not the signature of this body"
    way_out = f"sign it with the secret that is set here, or set here the one that {sender.title} signs with"
    if sender is SEGMENT and raw.lstrip()[:1] == b"[":
        way_out = "turn batching off, as Segment signs only the first event of a batch"
    challenge = f'Signature header="{sender.signed_in}", algorithm="hmac-{sender.digest}"'
    return Refusal(401, f"{said}; {way_out}", headers={"WWW-Authenticate": challenge})
