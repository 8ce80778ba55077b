"""Email: one recipient a transaction, text and HTML, the mails of an episode in one thread."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.errors import MessageError
from email.header import Header
from email.headerregistry import HeaderRegistry
from email.message import EmailMessage
from email.policy import EmailPolicy, Policy
from email.utils import format_datetime, parseaddr
from html import escape
from typing import Any

import aiosmtplib

from lockstep.errors import DeliveryError
from lockstep.notification import Item, Message, Picture
from lockstep.ports import DeliveryLike, Destination, NoPictures, Pictures, Sent
from lockstep.settings import Settings

TIMEOUT_S = 60.0
TOTAL_S = 660.0
"""A relay may take ten minutes to answer the final dot (RFC 5321 4.5.3.2.6); the lane is this destination's own."""
MOST_ROOTS = 10
"""Episodes that the references of one mail name."""
GOODBYE_S = 5.0
"""The relay has the mail by then; whether it says goodbye changes nothing."""

MOST_PICTURES = 3
"""Items of one mail that have their chart, the most severe ones."""
TOO_LARGE = 552
"""The relay's answer to a mail that exceeds its limit: it is sent once more, without charts."""

LONGEST_WORD = 50
"""Characters of one word of a header that is not encoded."""
LONGEST_WORDS = 200
"""Characters of a relay's own words in an error."""

_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3", "over": "#067647"}
_USUAL, _GREY, _SOFT, _LINE = "#98a2b3", "#667085", "#475467", "#e4e7ec"

_DARK_COLOURS = {"critical": "#d92d20", "warning": "#c4440f", "info": "#1570ef", "over": "#0a7d49", "usual": "#61646c"}
_DARK_MODE = (
    ":root{color-scheme:light dark;supported-color-schemes:light dark}"
    "@media (prefers-color-scheme:dark){"
    ".page{background:#0c111d!important;color:#f5f5f6!important}"
    ".card{background:#161b26!important;border-color:#333741!important}"
    ".grey{color:#94969c!important}.soft{color:#cecfd2!important;border-color:#333741!important}"
    ".link{color:#84adff!important}"
    ".chart-light{display:none!important}.chart-dark{display:block!important;max-height:none!important}"
    + "".join(f".{tone}{{background:{colour}!important}}" for tone, colour in _DARK_COLOURS.items())
    + "".join(f".{tone}-edge{{border-left-color:{colour}!important}}" for tone, colour in _DARK_COLOURS.items())
    + "}"
)
"""A sheet beside the inline styles, which has to outdo them."""


def text_part(body: Message) -> str:
    """The message as plain text."""
    lines: list[str] = []
    for item in body.items:
        lines += [f"[{item.badge}] {item.headline}"]
        if not item.is_over and item.value_bar:
            lines += [
                f"  {item.value_bar} {item.value} {item.span}",
                f"  {item.usual_bar} {item.usual} {item.usual_is}",
            ]
        lines += [f"  {team}: {text}" if team else f"  {text}" for team, text in item.team_parts]
        lines += [f"  {name}: {text}" for name, text in item.why_parts]
        lines += [f"  Rule: {body.about(item)}"]
        lines += [f"  {item.runbook}"] if item.runbook and not item.is_over else []
        lines += [f"  Owner: {item.owner}"] if item.owner and not item.is_over else []
        lines += [f"  Note: {item.note}"] if item.note else []
        lines += [f"  {item.when}", ""]
    lines += body.remarks(shown=len(body.items))
    return "\n".join(lines).rstrip() + "\n"


def html_part(body: Message, pictures: Mapping[str, tuple[str, str, str]] | None = None) -> str:
    """The message as one table an item: what happened, value against usual as bars, each team's part.

    Tables and inline styles: that is what every mail client shows. Those that have a dark mode and can be asked for it
    take the colours of `_DARK_MODE`; what they would make of the light ones themselves is often unreadable.

    pictures: what an item's chart is called → where it is found in light, where in dark ("" for nowhere), and what it
    shows.
    """
    items = "".join(_card(body, item, (pictures or {}).get(str(item.chart))) for item in body.items)
    foot = "".join(
        f'<p class="grey" style="margin:0 4px 10px;font-size:13px;color:{_GREY}">{escape(text)}</p>'
        for text in body.remarks(shown=len(body.items))
    )
    # The first line of a mail is what its list shows behind the subject.
    preview = "; ".join(f"{item.badge}: {item.headline}" for item in body.items)[:140]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        f"<title>{escape(_flat(body.subject))}</title><style>{_DARK_MODE}</style></head>"
        '<body class="page" style="margin:0;padding:0;background:#f2f4f7;color:#101828;'
        'font-family:-apple-system,Segoe UI,Helvetica,Arial,sans-serif">'
        f'<div style="display:none;max-height:0;overflow:hidden">{escape(preview)}</div>'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" '
        'style="padding:20px 10px"><table role="presentation" width="100%" cellpadding="0" cellspacing="0" '
        f'style="max-width:600px"><tr><td align="left">{items}{foot}</td></tr></table></td></tr></table></body></html>'
    )


def _card(body: Message, item: Item, picture: tuple[str, str, str] | None) -> str:
    over = item.is_over
    tone = "over" if over else item.severity if item.severity in _COLOURS else "warning"
    colour = _COLOURS[tone]
    rows = [
        _row(
            f'<span class="{tone}" style="display:inline-block;padding:2px 9px;border-radius:9px;background:{colour};'
            f'color:#ffffff;font-size:12px;font-weight:bold">{escape(item.badge)}</span>',
            "16px 20px 6px",
        ),
        _row(f'<span style="font-size:18px;line-height:1.35">{escape(item.headline)}</span>', "0 20px 10px"),
    ]
    if not over and item.value_bar:
        longest = max(len(item.value_bar), len(item.usual_bar))
        value = _bar(item.value_bar, longest, tone, colour, item.value, item.span)
        usual = _bar(item.usual_bar, longest, "usual", _USUAL, item.usual, item.usual_is)
        rows.append(
            _row(
                f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0">{value}{usual}</table>',
                "2px 20px 6px",
            )
        )
    for team, text in item.team_parts:
        name = f'<b class="grey" style="font-size:13px;color:{_GREY}">{escape(team)}</b><br>' if team else ""
        rows.append(_row(f'{name}<span style="font-size:15px;line-height:1.5">{escape(text)}</span>', "8px 20px 0"))
    if picture is not None:
        rows.append(_row(_chart(*picture), "14px 20px 0"))
    if why := item.why_parts:
        said = "<br>".join(f"<b>{escape(name)}</b>&ensp;{_link(text)}" for name, text in why)
        rows.append(
            _row(
                f'<div class="soft" style="border-top:1px solid {_LINE};padding-top:10px;font-size:13px;'
                f'line-height:1.5;color:{_SOFT};word-break:break-word">{said}</div>',
                "12px 20px 0",
            )
        )
    foot = f"{escape(body.about(item))}<br>{escape(item.when)}"
    if item.owner and not over:
        foot = f"Owner: {escape(item.owner)}<br>{foot}"
    if item.runbook and not over:
        foot = f"{_link(item.runbook)}<br>{foot}"
    if item.note:
        foot += f"<br>Note: {escape(item.note)}"
    rows.append(
        _row(f'<span class="grey" style="font-size:12px;line-height:1.6;color:{_GREY}">{foot}</span>', "12px 20px 16px")
    )
    return (
        f'<table role="presentation" class="card {tone}-edge" width="100%" cellpadding="0" cellspacing="0" '
        f'style="background:#ffffff;border:1px solid {_LINE};border-left:5px solid {colour};margin:0 0 14px">'
        f"{''.join(rows)}</table>"
    )


def _chart(light: str, dark: str, alt: str) -> str:
    """The chart for the reader's colours; what knows no dark mode shows the light one, Outlook's desktop too."""
    style = "width:100%;max-width:600px;height:auto;border:0"
    image = f'<img src="{light}" alt="{escape(alt)}" width="556" class="chart-light" style="display:block;{style}">'
    if not dark:
        return image
    return (
        f'{image}<!--[if !mso]><!--><img src="{dark}" alt="{escape(alt)}" width="556" class="chart-dark" '
        f'style="display:none;max-height:0;{style}"><!--<![endif]-->'
    )


def _row(content: str, padding: str) -> str:
    # A label may be one word of any length; it must not make the mail wider than the screen.
    return f'<tr><td style="padding:{padding};word-break:break-word">{content}</td></tr>'


def _bar(bar: str, longest: int, tone: str, colour: str, number: str, name: str) -> str:
    """One bar as a cell whose width is its share, its number behind it."""
    share = round(60 * len(bar) / longest)
    # Not the cell itself: it is as high as the words beside it, which take two lines on a phone.
    style = f"background:{colour};font-size:1px;line-height:14px;height:14px"
    cell = f'<td width="{share}%"><div class="{tone}" style="{style}">&nbsp;</div></td>'
    says = f'<b>{escape(number)}</b> <span class="grey" style="color:{_GREY}">{escape(name)}</span>'
    return (
        '<tr><td style="padding:2px 0"><table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr>'
        f'{cell if share else ""}<td style="padding-left:{8 if share else 0}px;font-size:14px">{says}</td>'
        "</tr></table></td></tr>"
    )


def _link(url: str) -> str:
    if not url.startswith(("https://", "http://")):
        return escape(url)
    return f'<a class="link" href="{escape(url)}" style="color:#175cd3">{escape(url)}</a>'


def message(
    destination: Destination,
    delivery: DeliveryLike[Message],
    *,
    sender: str,
    now: datetime,
    pictures: Mapping[str, Picture] | None = None,
) -> EmailMessage:
    """The mail of a delivery. Its id is the delivery's, the same in every attempt; its references name its episodes.

    destination: whose address it goes to. sender: its From, `Lockstep <alerts@shop.example>`. pictures: by what items
    call their chart.

    No mail has these names: clients join an episode's mails by them, whichever came first and whatever its subject.
    What filters and tools sort by stands in headers: rule, state, severity, teams, and of one alert its id.
    """
    body = delivery.body
    domain = parseaddr(sender)[1].partition("@")[2] or "localhost"
    episodes = list(dict.fromkeys(item.episode_id for item in body.items))
    roots = [f"<episode-{episode}@{domain}>" for episode in episodes[:MOST_ROOTS]]
    mail = EmailMessage(_POLICY)
    mail["From"] = sender
    mail["To"] = destination.target
    mail["Subject"] = _header(body.subject)
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery.id}@{domain}>"
    # The first comes last, where readers look for the parent (RFC 5322 3.6.4).
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
    if len(episodes) == 1:
        mail["X-Lockstep-Alert"] = _header(body.items[0].alert_id)
    if body.severity == "critical" and body.state != "resolved":
        mail["Importance"] = "high"
    mail.set_content(text_part(body))
    shown = pictures or {}
    cids = {name: (f"{delivery.id}-{n}@{domain}", f"{delivery.id}-{n}-dark@{domain}") for n, name in enumerate(shown)}
    places = {
        name: (f"cid:{cids[name][0]}", f"cid:{cids[name][1]}" if picture.dark is not None else "", picture.alt)
        for name, picture in shown.items()
    }
    mail.add_alternative(html_part(body, places), subtype="html")
    html = mail.get_payload()[1]  # type: ignore[index] # the parts of an alternative are a list
    for name, picture in shown.items():
        for cid, png in zip(cids[name], (picture.light, picture.dark), strict=True):
            if png is not None:
                html.add_related(png, "image", "png", cid=f"<{cid}>", disposition="inline", filename="chart.png")  # type: ignore[union-attr]
    return mail


def _header(text: str) -> str:
    """A text on one line of a header."""
    return _flat(str(text))[:200]


def _flat(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


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


_HEADERS = HeaderRegistry()
for _name in ("subject", "x-lockstep-rule", "x-lockstep-teams", "x-lockstep-alert"):
    _HEADERS.map_to_type(_name, _LiteralHeader)  # type: ignore[arg-type] # it is mixed with BaseHeader there
_POLICY = EmailPolicy(header_factory=_HEADERS)


class EmailChannel:
    """ports.Channel over one relay. total_s: the end of an attempt; timeout_s: of one command within it."""

    def __init__(
        self,
        settings: Settings,
        *,
        pictures: Pictures | None = None,
        timeout_s: float = TIMEOUT_S,
        total_s: float = TOTAL_S,
    ) -> None:
        self._settings, self._pictures = settings, pictures or NoPictures()
        self._timeout_s, self._total_s = timeout_s, total_s

    async def send(self, destination: Destination, delivery: DeliveryLike[Message], *, now: datetime) -> Sent:
        s = self._settings
        where = f"email/{destination.target.rpartition('@')[2]}"
        pictures = await self._drawn(delivery.body)
        try:
            mail = message(destination, delivery, sender=s.smtp_from, now=now, pictures=pictures)
            plain = message(destination, delivery, sender=s.smtp_from, now=now) if pictures else None
        except (MessageError, ValueError, LookupError) as error:
            # The texts are made fit for a header; what is left are the addresses, which are settings.
            said = f"{where}: no mail can be made ({type(error).__name__}); check LOCKSTEP_SMTP_FROM and the address"
            raise DeliveryError("configuration", said, retryable=True) from error
        try:
            async with asyncio.timeout(self._total_s):
                try:
                    refused = await self._submit(mail)
                except aiosmtplib.SMTPDataError as error:
                    if plain is None or error.code != TOO_LARGE:
                        raise
                    refused = await self._submit(plain)
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError, ValueError) as error:
            raise _failure(where, error) from error
        # One recipient a mail: a refusal of some is a refusal of this one, though the library calls it a success.
        for answer in refused.values():
            raise _refusal(where, answer.code, "recipient refused", answer.message, final=True)
        return Sent(detail=mail["Message-ID"])

    async def _drawn(self, body: Message) -> dict[str, Picture]:
        """The charts of its first items, by name."""
        pictures: dict[str, Picture] = {}
        for item in body.items[:MOST_PICTURES]:
            picture = await self._pictures.of(item)
            if picture is not None:
                pictures[str(item.chart)] = picture
        return pictures

    async def _submit(self, mail: EmailMessage) -> Mapping[str, aiosmtplib.SMTPResponse]:
        """One transaction on a connection of its own; returns the refused recipients."""
        s = self._settings
        client = aiosmtplib.SMTP(
            hostname=s.smtp_host,
            port=s.smtp_port,
            use_tls=s.smtp_tls == "tls",
            start_tls=s.smtp_tls == "starttls",
            username=s.smtp_username,
            password=None if s.smtp_password is None else s.smtp_password.get_secret_value(),
            timeout=self._timeout_s,
        )
        # Not `async with`: it says goodbye also when we are cancelled, and waits for the answer of a relay that hangs.
        try:
            await client.connect()
            refused, _ = await client.send_message(mail)
            with contextlib.suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=min(GOODBYE_S, self._timeout_s))
            return refused
        finally:
            client.close()

    async def close(self) -> None:
        """Each mail has a connection of its own."""


def _failure(where: str, error: Exception) -> DeliveryError:
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            code, said = (error.recipients[0].code, error.recipients[0].message) if error.recipients else (550, "")
            return _refusal(where, code, "recipient refused", said, final=True)
        case aiosmtplib.SMTPAuthenticationError():
            said = f"{where}: the relay refuses the login ({error.code}{_words(error.message)})"
            return DeliveryError("authError", said, retryable=True)
        case aiosmtplib.SMTPDataError():
            return _refusal(where, error.code, "the relay refuses the mail", error.message, final=True)
        case aiosmtplib.SMTPSenderRefused():
            return _refusal(where, error.code, "the relay refuses the sender", error.message, hint=_SENDER)
        case aiosmtplib.SMTPResponseException():
            return _refusal(where, error.code, "the relay refuses", error.message, hint=_RELAY)
        case aiosmtplib.SMTPTimeoutError() | TimeoutError():
            return DeliveryError("timeout", f"{where}: the relay does not answer", retryable=True)
        case ssl.SSLError():
            reason = error.reason or type(error).__name__
            return DeliveryError("configuration", f"{where}: TLS with the relay: {reason}", retryable=True)
        case aiosmtplib.SMTPException() if not isinstance(error, OSError):
            # What is left of the library's own: STARTTLS, SMTPUTF8 or a way to log in that the relay does not offer.
            return DeliveryError("configuration", f"{where}: the relay cannot do what is set: {error}", retryable=True)
        case _:
            return DeliveryError("connection", f"{where}: cannot be reached ({type(error).__name__})", retryable=True)


_SENDER = "check LOCKSTEP_SMTP_FROM and what the relay lets it send"
_RELAY = "check LOCKSTEP_SMTP_HOST, and whether the relay takes mail from here"
_OF_US = re.compile(r"\s*5\.7\.\d|.*\brelay", re.IGNORECASE | re.DOTALL)
"""Security and policy (RFC 3463 3.8), as in `5.7.1 Relay access denied`: of who sends, not of this mail."""


def _refusal(
    where: str, code: int, what: str, said: str | bytes, *, final: bool = False, hint: str = _RELAY
) -> DeliveryError:
    """said: the relay's own words. final: a refusal in this phase is about this mail or recipient, unless the relay
    says that it is about us. hint: where else to look."""
    said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    refusal = f"{where}: {what} ({code}{_words(said)})"
    # 530 (TLS required) and 535 (login) are faults of our settings; the mail itself is fine.
    if code in (530, 534, 535, 538):
        return DeliveryError(
            "authError", f"{refusal}; check LOCKSTEP_SMTP_TLS, _USERNAME and _PASSWORD", retryable=True
        )
    if not 500 <= code < 600:
        return DeliveryError("serverError", refusal, retryable=True)
    if final and _OF_US.match(said) is None:
        return DeliveryError("clientError", refusal, retryable=False)
    return DeliveryError("configuration", f"{refusal}; {hint}", retryable=True)


def _words(said: str | bytes) -> str:
    """What the relay says, on one line behind its code."""
    said = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    flat = _flat(said)[:LONGEST_WORDS]
    return f" {flat}" if flat else ""
