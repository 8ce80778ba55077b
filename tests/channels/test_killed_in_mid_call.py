"""A worker that is killed while each channel is in the middle of its call, and what the receivers saw in the end.

The receivers hold their connections until all of them are at one point of the call; then the worker is killed, and
another one goes on: before anything was sent, before a receiver has it, before its answer comes, and after it.
"""

import json
from collections import Counter
from contextlib import AsyncExitStack
from email import message_from_bytes

from aiohttp import web
from channel_peers import SECRET, HttpPeer, Inbox, http_server, says, smtp_server
from kafka_for_tests import held_ports
from killed_worker import Death, HoldingProxy, Point, Worker
from slack_peer import LocalSlack, slack_at

from lockstep.app import utc_now

ROUTING = """\
teams: {{operations: [mail, hook, flow, incidents, chat], marketing: [mail]}}
receivers:
  mail: {{email: {{to: [anna@example.com]}}}}
  hook: {{webhook: {{url: "http://127.0.0.1:{webhook}/hook", secret: {{secret: HOOK}}}}}}
  flow: {{msteams: {{workflow: {{secret: FLOW}}}}}}
  incidents: {{pagerduty: {{routing_key: {{secret: KEY}}, url: "http://127.0.0.1:{pagerduty}/enqueue"}}}}
  chat: {{slack: {{channel: "#ops", token: {{secret: TOKEN}}}}}}
"""


async def _enqueue(request: web.Request) -> web.StreamResponse:
    key = json.loads(await request.read())["dedup_key"]
    return web.json_response({"status": "success", "message": "Event processed", "dedup_key": key}, status=202)


class _Receivers:
    """What each channel sends to, and what it was told, by the id by which it can know a message again."""

    def __init__(self) -> None:
        self.inbox, self.slack = Inbox(), LocalSlack(epoch=utc_now().timestamp())
        self.webhook, self.flow, self.pagerduty = HttpPeer(says({})), HttpPeer(says({}, 202)), HttpPeer(_enqueue)

    async def open(self, stack: AsyncExitStack) -> dict[str, int]:
        """Channel → the port of its receiver."""
        peers = {"webhook": self.webhook, "msteams": self.flow, "pagerduty": self.pagerduty}
        bases = {channel: await stack.enter_async_context(http_server(peer)) for channel, peer in peers.items()}
        bases["slack"] = (await stack.enter_async_context(slack_at(self.slack))).removesuffix("/api/")
        ports = {channel: int(base.rpartition(":")[2]) for channel, base in bases.items()}
        return {"email": await stack.enter_async_context(smtp_server(self.inbox)), **ports}

    def told(self) -> dict[str, list[str]]:
        mails = [message_from_bytes(mail.original_content or b"") for mail in self.inbox.mails]
        return {
            "email": [str(mail["Message-ID"]) for mail in mails],
            "webhook": [headers["webhook-id"] for _, headers, _ in self.webhook.requests],
            "msteams": [body.decode() for _, _, body in self.flow.requests],
            "pagerduty": [json.loads(body)["dedup_key"] for _, _, body in self.pagerduty.requests],
            "slack": [message["text"] for message in self.slack.posted],
        }


async def test_what_the_receivers_saw_of_a_worker_that_died(tmp_path):
    """Each message at least once, and where nobody can know whether it arrived, twice at most under one id; what knows
    its ids shows it once: a mailbox by its Message-ID, PagerDuty by its dedup_key. In Slack, where it is looked up
    before it is posted again, nobody sees it twice."""
    receivers = _Receivers()
    async with AsyncExitStack() as stack:
        ports = await receivers.open(stack)
        between = dict(zip(ports, held_ports(len(ports)), strict=True))
        worker = Worker(
            tmp_path,
            ROUTING.format(**between),
            LOCKSTEP_SMTP_PORT=str(between["email"]),
            LOCKSTEP_SLACK_BASE_URL=f"http://127.0.0.1:{between['slack']}/api/",
            LOCKSTEP_SECRET_HOOK=SECRET,
            LOCKSTEP_SECRET_FLOW=f"http://127.0.0.1:{between['msteams']}/flow",
            LOCKSTEP_SECRET_KEY="R0123456789ABCDEFGHIJKLMNOPQRSTU",
            LOCKSTEP_SECRET_TOKEN="xoxb-test",
        )
        death = Death(worker, calls=len(ports))
        marks = {"email": b"MAIL FROM", "slack": b"chat.postMessage"}
        for channel, port in ports.items():
            last = b"\r\n.\r\n" if channel == "email" else None
            proxy = HoldingProxy(death, asked=marks.get(channel, b"POST /"), last=last)
            await stack.enter_async_context(proxy.listening(between[channel], to=port))
        stack.push_async_callback(worker.died)
        stack.callback(worker.kill)
        await worker.start()
        seen: dict[str, dict[Point, list[str]]] = {channel: {} for channel in ports}
        for number, point in enumerate(Point, start=1):
            before = receivers.told()
            death.comes_at(point)
            await worker.fire(f"SKU-{number}")
            await worker.died()
            await worker.start()
            await worker.settled(number * len(ports))
            for channel, ids in receivers.told().items():
                seen[channel][point] = ids[len(before[channel]) :]
    assert {point: len(texts) for point, texts in seen.pop("slack").items()} == dict.fromkeys(Point, 1)
    # A post is only made again where no look-up found it.
    assert receivers.slack.asked["chat.postMessage"] == len(Point)
    assert receivers.slack.asked["conversations.history"] >= len(Point) - 1
    for channel, by_point in seen.items():
        counts = {point: len(ids) for point, ids in by_point.items()}
        assert counts.pop(Point.ANSWERED) in (1, 2), (channel, by_point)
        assert counts == {Point.CONNECTED: 1, Point.ASKED: 1, Point.TAKEN: 2}, (channel, by_point)
        ids = Counter(number for several in by_point.values() for number in set(several))
        assert [*ids.values()] == [1] * len(Point), f"{channel}: one id, one message"
