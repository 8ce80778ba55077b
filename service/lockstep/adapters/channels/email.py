"""Email: one recipient a transaction, text and HTML, the mails of an episode in one thread."""

import asyncio
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any

import aiosmtplib

from lockstep.errors import DeliveryError
from lockstep.ports import DeliveryLike, Destination, Sent
from lockstep.settings import Settings

TIMEOUT_S = 60.0
TOTAL_S = 660.0
"""A relay may take ten minutes to answer the final dot (RFC 5321 4.5.3.2.6); the lane is this destination's own."""

_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#175cd3"}


def _clean(text: str) -> str:
    return " ".join(text.split())


def text_part(body: Any) -> str:
    """The message as plain text."""
    lines: list[str] = []
    for item in body["items"]:
        over = item["state"] in ("resolved", "fired and resolved")
        lines += [f"[{'over' if over else item['severity'].upper()}] {item['headline']}"]
        if not over:
            if item["value_bar"]:
                lines += [
                    f"  {item['value_bar']} {item['value']}",
                    f"  {item['usual_bar']} {item['usual']} {item['usual_is']}",
                ]
            for team, text in item["texts"].items():
                lines += [f"  {team.capitalize()}: {text}"]
        lines += [f"  {item['at']}, since {item['since']}", ""]
    if body["more"]:
        lines += [f"and {body['more']} more", ""]
    return "\n".join(lines)


def html_part(body: Any) -> str:
    """The message as one table an item: what happened, value against usual as bars, each team's part."""
    parts: list[str] = []
    for item in body["items"]:
        over = item["state"] in ("resolved", "fired and resolved")
        colour = "#067647" if over else _COLOURS.get(item["severity"], "#b54708")
        word = "over" if over else item["severity"]
        rows = [
            f'<tr><td style="padding:16px 20px 4px;font-size:12px;font-weight:bold;color:{colour};'
            f'text-transform:uppercase">{escape(word)}</td></tr>',
            f'<tr><td style="padding:0 20px 10px;font-size:18px;line-height:1.35">{escape(item["headline"])}</td></tr>',
        ]
        if not over and item["value_bar"]:
            longest = max(len(item["value_bar"]), len(item["usual_bar"]), 1)
            for bar, number, name, tint in (
                (item["value_bar"], item["value"], item["window"], colour),
                (item["usual_bar"], item["usual"], item["usual_is"], "#98a2b3"),
            ):
                width = max(2, round(280 * len(bar) / longest))
                rows.append(
                    f'<tr><td style="padding:2px 20px;font-size:13px"><span style="display:inline-block;height:12px;'
                    f'width:{width}px;background:{tint};vertical-align:middle"></span>&nbsp; <b>{escape(number)}</b> '
                    f'<span style="color:#667085">{escape(name)}</span></td></tr>'
                )
        if not over:
            for team, text in item["texts"].items():
                rows.append(
                    '<tr><td style="padding:10px 20px 0;font-size:14px;line-height:1.5">'
                    f"<b>{escape(team.capitalize())}</b><br>{escape(text)}</td></tr>"
                )
        rows.append(
            f'<tr><td style="padding:12px 20px 16px;font-size:12px;color:#667085">{escape(item["at"])}, '
            f"since {escape(item['since'])}</td></tr>"
        )
        parts.append(
            '<table role="presentation" width="560" cellpadding="0" cellspacing="0" style="background:#fff;'
            f'border:1px solid #e4e7ec;border-left:5px solid {colour};margin:0 auto 14px">{"".join(rows)}</table>'
        )
    more = f"<p>and {int(body['more'])} more</p>" if body["more"] else ""
    return (
        '<!doctype html><html><body style="margin:0;padding:20px;background:#f2f4f7;'
        f'font-family:Helvetica,Arial,sans-serif;color:#101828">{"".join(parts)}{more}</body></html>'
    )


def message(destination: Destination, delivery: DeliveryLike, *, sender: str, now: datetime) -> EmailMessage:
    """The mail. Its id is the delivery's; its references name the episode, so that clients keep it in one thread."""
    body: Any = delivery.body
    domain = sender.partition("@")[2].rstrip(">") or "localhost"
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = destination.target
    # No state in the subject: mail clients join an episode's mails by an equal subject.
    mail["Subject"] = _clean(body["subject"])[:200]
    mail["Date"] = format_datetime(now)
    mail["Message-ID"] = f"<{delivery.id}@{domain}>"
    root = f"<episode-{body['items'][0]['episode_id']}@{domain}>" if body["items"] else f"<{delivery.id}@{domain}>"
    mail["References"] = root
    mail["In-Reply-To"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["List-Id"] = f"<lockstep.{domain}>"
    mail["X-Lockstep-Delivery"] = delivery.id
    mail.set_content(text_part(body))
    mail.add_alternative(html_part(body), subtype="html")
    return mail


class EmailChannel:
    """ports.Channel over one relay."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def send(self, destination: Destination, delivery: DeliveryLike, *, now: datetime) -> Sent:
        s = self._settings
        where = f"email/{destination.target.partition('@')[2]}"
        mail = message(destination, delivery, sender=s.smtp_from, now=now)
        try:
            async with asyncio.timeout(TOTAL_S):
                refused, _ = await aiosmtplib.send(
                    mail,
                    hostname=s.smtp_host,
                    port=s.smtp_port,
                    use_tls=s.smtp_tls == "tls",
                    start_tls=s.smtp_tls == "starttls",
                    username=s.smtp_username,
                    password=None if s.smtp_password is None else s.smtp_password.get_secret_value(),
                    timeout=TIMEOUT_S,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refusal(where, error.recipients[0].code, "recipient refused") from error
        except aiosmtplib.SMTPAuthenticationError as error:
            raise DeliveryError("authError", f"{where}: the relay refuses the login", retryable=True) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _refusal(where, error.code, "the relay refuses") from error
        except (aiosmtplib.SMTPTimeoutError, TimeoutError) as error:
            raise DeliveryError("timeout", f"{where}: the relay does not answer", retryable=True) from error
        except ssl.SSLError as error:
            raise DeliveryError("configuration", f"{where}: TLS: {error.reason}", retryable=True) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise DeliveryError("connection", f"{where}: {type(error).__name__}", retryable=True) from error
        if refused:
            code = next(iter(refused.values())).code
            raise _refusal(where, code, "recipient refused")
        return Sent(detail=mail["Message-ID"])

    async def close(self) -> None:
        """Each mail has a connection of its own."""


def _refusal(where: str, code: int, what: str) -> DeliveryError:
    # 530 (TLS required) and 535 (login) are faults of our settings; the mail itself is fine.
    retryable = 400 <= code < 500 or code in (530, 535)
    reason = "authError" if code in (530, 535) else "serverError" if retryable else "clientError"
    return DeliveryError(reason, f"{where}: {what} ({code})", retryable=retryable)
