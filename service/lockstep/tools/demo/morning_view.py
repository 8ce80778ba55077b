"""What is printed of the morning: the report's head, and a campaign's way between the teams."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lockstep.reports.renderings.report_words import groups
from lockstep.reports.report_record import Report
from lockstep.shop.plans.plan_words import PlanAnswer
from lockstep.text.days import day_text
from lockstep.text.figures import number_text, time_text
from lockstep.tools.demo.screen import View
from lockstep.tools.retail import ZONE

_COLOURS = {"yes": "green", "change": "yellow", "no": "red"}


class MorningView:
    """Below what the view says of the weeks."""

    def __init__(self, view: View) -> None:
        self._view = view

    def waits(self, what: str) -> None:
        self._view.begin(what, 0)

    def _say(self, *what: RenderableType, further_in: int = 4) -> None:
        for each in what:
            self._view.say(Padding(each, (0, 0, 0, further_in), expand=False))

    def _head(self, text: str, about: str = "") -> None:
        self._view.say("")
        self._view.say(Text.assemble((text, "bold cyan"), (f"  {about}" if about else "", "dim")))

    def report(self, report: Report, *, mail: str, page: str) -> None:
        """The head of a report as both teams got it."""
        self._head(f"{time_text(report.at, ZONE)}  the daily report", "by mail, Slack, webhook and as a page, once")
        self._say(Text(mail, style="bold"), Text(report.headline))
        for group in groups(report):
            self._say(Text(f"{group.head}:", style="bold"))
            for number, task in enumerate(group.tasks, 1):
                self._say(Text.assemble(f"{number}. {task.act}", (f"  {task.due}" if task.due else "", "yellow")))
                self._say(Text(task.why, style="dim"), further_in=7)
        self._say(Text(f"and all numbers: {page}", style="dim"))

    def plan(self, who: str, plan: Mapping[str, Any], answer: PlanAnswer) -> None:
        """A campaign as it was announced, and what it is answered at once."""
        days = f"{_day(plan['starts'])} to {_day(plan['ends'])}"
        what = f"with {' and '.join(plan['skus'])}" if plan["skus"] else "for the whole range"
        again = "" if plan["number"] == 1 else " anew"
        self._head(f"{who} plans “{plan['campaign']}”{again}", f"{days}, {what}, {_orders(plan)}")
        self._say(Text.assemble("answered at once: ", (answer.headline, f"bold {_COLOURS[answer.verdict]}")))
        if answer.suggestion:
            self._say(Text.assemble(("→ ", "bold"), (answer.suggestion, "bold")))
        self._say(*(Text(f"· {reason}") for reason in answer.others))
        self._say(_days(answer))
        if answer.products:
            self._say(_products(answer))

    def told(self) -> None:
        self._say(Text("both teams have it by mail and Slack", style="dim"))

    def reply(self, headline: str, note: str) -> None:
        """What operations said to it, as both teams were told."""
        self._head(headline, "both teams hear it")
        self._say(Text(f"“{note}”"))


def _day(moment: str) -> str:
    return day_text(datetime.fromisoformat(moment).astimezone(ZONE).date())


def _orders(plan: Mapping[str, Any]) -> str:
    return f"{number_text(plan['expected_orders'])} orders beside the usual ones"


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    return "not known" if value is None else number_text(value)


def _days(answer: PlanAnswer) -> Table:
    table = _table("day", "usual", "campaign", "expected", "can ship", "room")
    for day in answer.days:
        room = Text(_number(day.room), style="red" if day.room is not None and day.room < 0 else "green")
        numbers = map(_number, (day.usual, day.campaign, day.expected, day.capacity))
        table.add_row(day_text(datetime.fromisoformat(day.day).date()), *numbers, room)
    return table


def _products(answer: PlanAnswer) -> Table:
    table = _table("product", "available", "lasts", "next delivery")
    for product in answer.products:
        lasts = "not known" if product.days_of_cover is None else f"{number_text(product.days_of_cover)} days"
        coming = "none is planned"
        if product.next_receipt:
            day = day_text(datetime.fromisoformat(product.next_receipt).date())
            coming = f"{number_text(product.next_receipt_quantity)} on {day}"
        table.add_row(product.sku, _number(product.available), lasts, coming)
    return table
