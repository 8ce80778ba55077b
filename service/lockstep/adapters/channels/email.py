"""Email: one recipient a transaction. What a mail says, and how it is made, stands in `adapters/mail`."""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.errors import MessageError
from email.message import EmailMessage

import aiosmtplib
import msgspec

from lockstep.adapters.mail.leads import leads_of
from lockstep.adapters.mail.letter import message_of
from lockstep.errors import DeliveryError
from lockstep.notification import Message, Picture
from lockstep.ports import DeliveryLike, Destination, Links, NoLinks, NoPictures, Pictures, Sent
from lockstep.settings import Settings
from lockstep.text.one_line import flat

TIMEOUT_S = 60.0
TOTAL_S = 660.0
"""A relay may take ten minutes to answer the final dot (RFC 5321 4.5.3.2.6); the lane is this destination's own."""
GOODBYE_S = 5.0
"""The relay has the mail by then; whether it says goodbye changes nothing."""

TOO_LARGE = 552
"""The relay's answer to a mail that exceeds its limit: it is sent once more, without charts."""
LONGEST_WORDS = 200
"""Characters of a relay's own words in an error."""


class EmailChannel:
    """ports.Channel over one relay. total_s: the end of an attempt; timeout_s: of one command within it."""

    def __init__(
        self,
        settings: Settings,
        *,
        pictures: Pictures | None = None,
        links: Links | None = None,
        timeout_s: float = TIMEOUT_S,
        total_s: float = TOTAL_S,
    ) -> None:
        self._settings, self._pictures, self._links = settings, pictures or NoPictures(), links or NoLinks()
        self._timeout_s, self._total_s = timeout_s, total_s

    async def send(self, destination: Destination, delivery: DeliveryLike[Message], *, now: datetime) -> Sent:
        s = self._settings
        where = f"email/{destination.target.rpartition('@')[2]}"
        pictures = await self._drawn(delivery.body)
        leads = leads_of(delivery.body, destination, self._links)
        try:
            mail = message_of(destination, delivery, sender=s.smtp_from, now=now, pictures=pictures, leads=leads)
            plain = message_of(destination, delivery, sender=s.smtp_from, now=now, leads=leads) if pictures else None
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
        """The chart of the alert that it tells of, or those of the report that it is, by name."""
        if not isinstance(body.report, msgspec.UnsetType):
            return dict(await self._pictures.of_report(body.report))
        if body.count != 1:
            return {}  # of several a line each is said, most severe first
        picture = await self._pictures.of(body.items[0])
        return {} if picture is None else {str(body.items[0].chart): picture}

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
    line = flat(said)[:LONGEST_WORDS]
    return f" {line}" if line else ""
