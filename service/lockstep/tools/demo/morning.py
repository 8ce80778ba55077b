"""The demo's last part, the morning after: the daily report comes, and a campaign goes from one team to the other.

Nothing of it is written here but what people of the shop do: what they are answered and told is the service's own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from lockstep.reports.report_body import report_in
from lockstep.shop.plans.plan_words import PlanAnswer
from lockstep.text.rfc3339 import rfc3339_of
from lockstep.tools.demo import shop
from lockstep.tools.demo.morning_view import MorningView
from lockstep.tools.demo.service_process import MARKETING, OPERATIONS, DemoError, ServiceProcess, until
from lockstep.tools.demo.stand_ins import Hook, Mailbox, Slack
from lockstep.tools.retail import ZONE

REPORT_S = 240.0
"""A report waits three minutes for facts, should they be late."""
TOLD_S = 120.0
A_WHILE = shop.LATENESS + timedelta(seconds=5)


@dataclass(frozen=True)
class Campaign:
    """What marketing plans. starts, ends: local days, both included."""

    name: str
    starts: str
    ends: str
    skus: Sequence[str]
    expected_orders: int

    def asked(self) -> dict[str, Any]:
        """As the service is asked."""
        begins = datetime.fromisoformat(self.starts).replace(hour=8, tzinfo=ZONE)
        ends = datetime.fromisoformat(self.ends).replace(hour=20, tzinfo=ZONE)
        return {
            "campaign": self.name,
            "starts": rfc3339_of(begins),
            "ends": rfc3339_of(ends),
            "skus": list(self.skus),
            "expected_orders": self.expected_orders,
        }


HASTY = Campaign("Spring tea", "2011-03-14", "2011-03-16", (shop.SOLD_OUT, shop.LATE), 150)
BETTER = Campaign("Spring tea", "2011-03-21", "2011-03-24", (), 60)
"""The week after, and for the whole range instead of two products."""
MARKETER, PACKER = "Anna of marketing", "Ben of operations"
OBJECTION = "two of us are away until Wednesday; make it a week later, without the bag"
CONFIRMATION = "four of us pack that week"


@dataclass
class Morning:
    """session: to the service, by the address of its doors."""

    service: ServiceProcess
    session: aiohttp.ClientSession
    mailbox: Mailbox
    slack: Slack
    hook: Hook
    view: MorningView

    async def show(self) -> None:
        """From six o'clock on. Raises DemoError where something does not come."""
        await self._comes_to(shop.MORNING + A_WHILE)
        await self._report()
        verdict = await self._planned(HASTY, shop.MORNING + timedelta(minutes=2))
        if verdict == "yes":
            raise DemoError(f"{HASTY.name} was to be too much for the shop, and was answered yes")
        await self._replied(HASTY, "confirm", OBJECTION, "Operations agree")
        verdict = await self._planned(BETTER, shop.MORNING + timedelta(minutes=4))
        if verdict != "yes":
            raise DemoError(f"{BETTER.name} was to fit a week later, and was answered {verdict}")
        await self._replied(BETTER, "confirm", CONFIRMATION, "Operations said yes")

    async def _comes_to(self, moment: datetime) -> None:
        """The shop's clock goes on, and the shop says that it has told all up to then."""
        await self.service.set_clock(moment)
        beats = [shop.heartbeat(topic, moment) for topic in shop.TOPICS]
        await self._ask("POST", "/v1/events", beats, content_type="application/cloudevents-batch+json")

    # ---- the report -----------------------------------------------------------------------------------------------

    async def _report(self) -> None:
        number = f"daily/{shop.MORNING.date().isoformat()}"
        self.view.waits("the daily report is due")
        mails = await self._told(number, REPORT_S, header="X-Lockstep-Report")
        report = report_in(await self._ask("GET", f"/v1/reports/{number}"))
        if report is None:
            raise DemoError(f"the report {number} is of another version than this program")
        bodies = self.hook.received.values
        await until(lambda: any(map(report_in, bodies())), f"the report {number} by webhook", TOLD_S)
        await self._on_slack(report.title)
        page = await self._text(f"/reports/{number}")
        if report.headline not in page:
            raise DemoError(f"the page of {number} does not say what its mail says")
        self.view.report(report, mail=str(mails[0]["Subject"]), page=f"{self.service.url}/reports/{number}")

    # ---- a campaign -----------------------------------------------------------------------------------------------

    async def _planned(self, campaign: Campaign, later: datetime) -> str:
        """Marketing plans it and is answered at once; then both teams hear it. Returns the verdict."""
        shown = await self._ask("POST", "/v1/campaigns", campaign.asked())
        answer = msgspec.convert(shown["answer"], PlanAnswer)
        self.view.plan(MARKETER, shown["plan"], answer)
        self.view.waits("both teams hear the answer")
        await self._comes_to(later)
        said = answer.headline
        await self._told(said, TOLD_S)
        await self._on_slack(said)
        self.view.told()
        return answer.verdict

    async def _replied(self, campaign: Campaign, reply: str, note: str, said: str) -> None:
        """Operations reply to the answer, and both teams hear it. said: how what they hear begins."""
        place = f"/v1/campaigns/{quote(campaign.name)}"
        number = (await self._ask("GET", place))["plan"]["number"]
        await self._ask("POST", f"{place}/{reply}", {"number": number, "note": note, "by": PACKER})
        self.view.waits("both teams hear what operations say")
        mails = await self._told(f"{said}: campaign {campaign.name}", TOLD_S)
        self.view.reply(str(mails[0]["Subject"]), note)

    # ---- the service, and what came of it --------------------------------------------------------------------------

    async def _told(self, words: str, within_s: float, *, header: str = "Subject") -> list[EmailMessage]:
        """The newest mails to both teams with these words in a header, once both are there."""
        mails: dict[str, EmailMessage] = {}

        def have_come() -> bool:
            for mail in self.mailbox.mails:
                if words in str(mail.get(header, "")):
                    mails[str(mail["To"])] = mail
            return mails.keys() >= {MARKETING, OPERATIONS}

        await until(have_come, f"a mail to each team about '{words}'", within_s)
        return [mails[MARKETING], mails[OPERATIONS]]

    async def _on_slack(self, words: str) -> None:
        await until(lambda: any(words in json.dumps(m) for m in self.slack.messages), f"'{words}' on Slack", TOLD_S)

    async def _ask(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Any:
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type}
        async with self.session.request(method, path, data=data, headers=headers) as answer:
            if answer.status >= 300:
                raise DemoError(f"{method} {path}: HTTP {answer.status}: {(await answer.text())[:500]}")
            return await answer.json()

    async def _text(self, path: str) -> str:
        async with self.session.get(path) as answer:
            if answer.status != 200:
                raise DemoError(f"{path}: HTTP {answer.status}")
            return await answer.text()
