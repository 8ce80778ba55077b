"""Where a mail leads its reader: the pages of its alerts, and where to hear no more of its rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lockstep.notification import Item, Message, report_id_of
from lockstep.ports import Destination, Links


@dataclass(frozen=True)
class Leads:
    """pages: episode id → the address of its alert's page. mutes: rule → the page that mutes it, of each rule of
    the message, in their order. report: the page of the report that the message is; "" for none."""

    pages: Mapping[str, str] = field(default_factory=dict)
    mutes: Mapping[str, str] = field(default_factory=dict)
    report: str = ""

    @property
    def mute(self) -> str:
        """What mail programs may offer as one click: the mute page of a message of one rule. A summary is of several,
        and one click must not choose among them; "" then."""
        return next(iter(self.mutes.values())) if len(self.mutes) == 1 else ""

    def page(self, item: Item) -> str:
        """The address of an item's page; "" where there is none."""
        return self.pages.get(item.episode_id, "")

    def more(self, item: Item) -> str:
        """Where all numbers of an item are, where no page shows them; "" else."""
        return "" if self.page(item) else item.more


def leads_of(body: Message, destination: Destination, links: Links) -> Leads:
    """The links of a message, signed now, for its recipient."""
    report = report_id_of(body)
    if report:
        return Leads(report=links.report(report) or "")
    pages = {item.episode_id: links.page(item, destination) or "" for item in body.items}
    # A notice is no rule's: nothing could be muted.
    rules = dict.fromkeys(item.rule or body.rule for item in body.items if item.alert_id)
    mutes = {rule: links.mute(rule, destination) or "" for rule in rules}
    return Leads(pages, {rule: address for rule, address in mutes.items() if address})
