"""A mail as it is handed to the relay: headers, text, HTML and charts; the mails of an episode in one thread."""

from collections.abc import Mapping
from datetime import datetime
from email.header import Header
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, parseaddr
from typing import Any

import msgspec

from lockstep.adapters.mail.leads import Leads
from lockstep.adapters.mail.mail_html import html_part
from lockstep.adapters.mail.mail_text import text_part
from lockstep.adapters.report_views.report_html import report_mail
from lockstep.notification import Message, Picture
from lockstep.ports import DeliveryLike, Destination
from lockstep.reports.renderings.report_markdown import markdown
from lockstep.reports.report_body import report_in
from lockstep.text.one_line import flat

MOST_ROOTS = 10
"""Episodes that the references of one mail name."""
LONGEST_WORD = 50
"""Characters of one word of a header that is not encoded."""


def message_of(
    destination: Destination,
    delivery: DeliveryLike[Message],
    *,
    sender: str,
    now: datetime,
    pictures: Mapping[str, Picture] | None = None,
    leads: Leads | None = None,
) -> EmailMessage:
    """The mail of a delivery. Its id is the delivery's, the same in every attempt; its references name its episodes.

    destination: whose address it goes to. sender: its From, `Lockstep <alerts@shop.example>`. pictures: by what items
    or the report call their chart. leads: where its links lead; one that mutes is also what mail programs offer
    (RFC 8058).

    No mail has these names: clients join an episode's mails by them, whichever came first and whatever its subject.
    What filters and tools sort by stands in headers: rule, state, severity, teams, and of one alert its id.
    """
    body, leads, shown = delivery.body, leads or Leads(), pictures or {}
    report = None if isinstance(body.report, msgspec.UnsetType) else report_in(body.report)
    domain = parseaddr(sender)[1].partition("@")[2] or "localhost"
    episodes = list(dict.fromkeys(item.episode_id for item in body.items if item.episode_id))
    roots = [f"<episode-{episode}@{domain}>" for episode in episodes[:MOST_ROOTS]]
    mail = EmailMessage(_POLICY)
    mail["From"] = sender
    mail["To"] = destination.target
    mail["Subject"] = _header(body.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery.id}@{domain}>"
    # The first comes last, where readers look for the parent (RFC 5322 3.6.4).
    if roots:
        mail["References"] = " ".join(reversed(roots))
        mail["In-Reply-To"] = roots[0]
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["List-Id"] = f"Lockstep <lockstep.{domain}>"
    mail["X-Lockstep-Delivery"] = delivery.id
    mail["X-Lockstep-Rule"] = _header(body.rule)
    mail["X-Lockstep-State"] = _header(body.state)
    mail["X-Lockstep-Severity"] = _header(body.severity)
    mail["X-Lockstep-Teams"] = _header(", ".join(body.teams))
    if report is not None:
        mail["X-Lockstep-Report"] = _header(report.id)
        mail.set_content(markdown(report, body.teams))
        places = _places(delivery.id, domain, shown)
        mail.add_alternative(report_mail(report, teams=body.teams, page=leads.report, charts=places), subtype="html")
        _add_pictures(mail, delivery.id, domain, shown)
        return mail
    if len(episodes) == 1:
        mail["X-Lockstep-Alert"] = _header(body.items[0].alert_id)
    if body.severity == "critical" and body.state != "resolved":
        mail["Importance"] = "high"
    if leads.mute:
        mail["List-Unsubscribe"] = f"<{leads.mute}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(text_part(body, leads))
    mail.add_alternative(html_part(body, _places(delivery.id, domain, shown), leads), subtype="html")
    _add_pictures(mail, delivery.id, domain, shown)
    return mail


def _cids(delivery: str, domain: str, n: int) -> tuple[str, str]:
    """What the pictures of the nth name are called within the mail, in light and in dark."""
    return f"{delivery}-{n}@{domain}", f"{delivery}-{n}-dark@{domain}"


def _places(delivery: str, domain: str, pictures: Mapping[str, Picture]) -> dict[str, tuple[str, str, str]]:
    """Name → where its picture is found in light, where in dark ("" for nowhere), and what it shows in words."""
    places = {}
    for n, (name, picture) in enumerate(pictures.items()):
        light, dark = _cids(delivery, domain, n)
        places[name] = f"cid:{light}", f"cid:{dark}" if picture.dark is not None else "", picture.alt
    return places


def _add_pictures(mail: EmailMessage, delivery: str, domain: str, pictures: Mapping[str, Picture]) -> None:
    html = mail.get_payload()[1]  # type: ignore[index] # the parts of an alternative are a list
    for n, picture in enumerate(pictures.values()):
        for cid, png in zip(_cids(delivery, domain, n), (picture.light, picture.dark), strict=True):
            if png is not None:
                html.add_related(png, "image", "png", cid=f"<{cid}>", disposition="inline", filename="chart.png")  # type: ignore[union-attr]


def _header(text: str) -> str:
    """A text on one line of a header."""
    return flat(str(text))[:200]


class _LiteralHeader:
    """A header whose text is shown as it is: one that looks like an encoded word (RFC 2047), such as
    `=?utf-8?Q?Bcc=3A?=` in a label, is encoded itself. The library would decode it, and show something else."""

    max_count = 1

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["decoded"], kwds["parse_tree"] = value, None

    def fold(self, *, policy: Policy) -> str:
        text, name = str(self), str(getattr(self, "name", ""))
        # A word that fills a line would leave the first one empty.
        is_plain = text.isascii() and "=?" not in text and max(map(len, text.split()), default=0) < LONGEST_WORD
        charset = "us-ascii" if is_plain else "utf-8"
        return f"{name}: {Header(text, charset, header_name=name).encode(linesep=policy.linesep)}{policy.linesep}"


class _WholeHeader(_LiteralHeader):
    """A header with one address of any length. The library would encode one that is longer than a line, and no mail
    program reads that."""

    def fold(self, *, policy: Policy) -> str:
        return f"{getattr(self, 'name', '')}:{policy.linesep} {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("list-unsubscribe", _WholeHeader)  # type: ignore[arg-type] # it is mixed with BaseHeader there
for _name in ("subject", "x-lockstep-rule", "x-lockstep-teams", "x-lockstep-alert", "x-lockstep-report"):
    _HEADERS.map_to_type(_name, _LiteralHeader)  # type: ignore[arg-type] # it is mixed with BaseHeader there
_POLICY = EmailPolicy(header_factory=_HEADERS)
