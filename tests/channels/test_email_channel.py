"""Email: what arrives, how it threads, and how it reads."""

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from channel_peers import NOW, Inbox, Letter, body, item, mixed, smtp_server

from lockstep.adapters.channels.email import EmailChannel, html_part, message, text_part
from lockstep.adapters.channels.slack import blocks
from lockstep.ports import Destination
from lockstep.settings import Settings

GOLDEN = Path(__file__).parent / "golden"
ANNA = Destination("d", "email", "anna@example.com", "mail")


async def _arrived(letter: Letter, destination: Destination = ANNA) -> EmailMessage:
    inbox = Inbox()
    async with smtp_server(inbox) as port:
        channel = EmailChannel(Settings(smtp_port=port, smtp_from="Lockstep <alerts@shop.example>"))
        await channel.send(destination, letter, now=NOW)
        await channel.close()
    (envelope,) = inbox.mails
    assert envelope.rcpt_tos == [destination.target]
    assert envelope.mail_from == "alerts@shop.example"
    found = message_from_bytes(envelope.content, policy=default)
    assert isinstance(found, EmailMessage)
    return found


async def test_a_mail_arrives_whole():
    """Text and HTML, an id that every attempt has, marked as made by a machine."""
    mail = await _arrived(Letter("l1", body()))
    assert mail["Message-ID"] == "<l1@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == NOW
    assert mail["Subject"] == "OrderSpike: web"
    parts = [part.get_content_type() for part in mail.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n") == text_part(body())


async def test_the_mails_of_an_episode_make_one_thread():
    """Equal subjects and one common reference, which no mail is, whatever came first."""
    first = await _arrived(Letter("l1", body()))
    last = await _arrived(Letter("l2", body(item("resolved"))))
    other = await _arrived(Letter("l3", body(item(episode_id="another"))))
    assert first["Subject"] == last["Subject"]
    assert first["References"] == last["References"] == last["In-Reply-To"]
    assert first["References"] not in (first["Message-ID"], last["Message-ID"])
    assert other["References"] != first["References"]
    for word in ("firing", "resolved", "over"):
        assert word not in first["Subject"].lower() + last["Subject"].lower()


async def test_a_mail_about_several_episodes_is_in_the_thread_of_each():
    """Two began in one mail, one of them ends in another: the end refers to what the beginning referred to."""
    both = await _arrived(Letter("l1", body(item(channel="web"), item(channel="app"))))
    end = await _arrived(Letter("l2", body(item("resolved", "app"))))
    assert both["References"].split() == ["<episode-episode-app@shop.example>", "<episode-episode-web@shop.example>"]
    assert both["In-Reply-To"] == "<episode-episode-web@shop.example>"
    assert end["References"] in both["References"].split()


async def test_a_mail_about_very_many_episodes_has_a_bounded_header():
    """Ten of them are named."""
    mail = await _arrived(Letter("l1", body(*(item(channel=f"c{n}") for n in range(30)))))
    assert len(mail["References"].split()) == 10


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, ("firing", "warning", None), id="a warning"),
        pytest.param({"severity": "critical"}, ("firing", "critical", "high"), id="a critical one is important"),
        pytest.param(
            {"severity": "critical", "state": "resolved"}, ("resolved", "critical", None), id="its end is not"
        ),
    ],
)
async def test_what_filters_sort_by(changed, expected):
    """Rule, state, severity, teams and the alert stand in headers; who is away answers none of it."""
    mail = await _arrived(Letter("l1", body(**changed)))
    assert (mail["X-Lockstep-State"], mail["X-Lockstep-Severity"], mail["Importance"]) == expected
    assert mail["X-Lockstep-Rule"] == "OrderSpike"
    assert mail["X-Lockstep-Teams"] == "marketing, operations"
    assert mail["X-Lockstep-Alert"] == "alert-web"
    assert mail["X-Lockstep-Delivery"] == "l1"
    assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "All")


async def test_an_alert_is_named_where_there_is_one():
    """A mail about several names none of them."""
    assert (await _arrived(Letter("l1", mixed())))["X-Lockstep-Alert"] is None


async def test_odd_rule_names_stay_in_their_header():
    """Whatever a name holds, it is one line of one header."""
    mail = await _arrived(Letter("l1", body(rule="Größe\r\nBcc: all@example.com")))
    assert mail["Bcc"] is None
    assert mail["X-Lockstep-Rule"] == "Größe Bcc: all@example.com"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("LowStock: =?utf-8?Q?Bcc=3A?=", id="an encoded word"),
        pytest.param("=?utf-8?Q?x=0D=0ABcc=3A_all@example.com?= left", id="an encoded line break"),
        pytest.param("=?utf-8?B?QmNjOg==?= =?utf-8?B?QmNjOg==?= größer", id="two of them, and umlauts"),
        pytest.param("x" * 200, id="one long word"),
        pytest.param("Größe 60 × 40 🛒 " * 11 + "Größe", id="a long line"),
        pytest.param("plain " * 33 + "p", id="a long line of ASCII"),
    ],
)
async def test_a_subject_is_shown_as_it_is(text):
    """What looks like an encoded word is a label's text, and no header of its own either way."""
    mail = await _arrived(Letter("l1", body(subject=text, rule=text)))
    assert (str(mail["Subject"]), str(mail["X-Lockstep-Rule"])) == (text, text)
    assert mail["Bcc"] is None
    assert mail.defects == []


def test_every_attempt_has_the_same_id():
    """A relay or reader that sees it twice can tell."""
    later = NOW.replace(hour=13)
    one, two = (message(ANNA, Letter("l1", body()), sender="a@b.example", now=now) for now in (NOW, later))
    assert one["Message-ID"] == two["Message-ID"]


@pytest.mark.parametrize(
    "text",
    ["Größe 60 × 40 🛒", "a\r\nBcc: all@example.com", "x" * 5000, "<script>alert(1)</script>", "."],
    ids=["umlauts", "a header of somebody's making", "a long line", "html", "a dot"],
)
async def test_odd_texts_stay_texts(text):
    """What an event or a rule says is shown, never obeyed."""
    mail = await _arrived(Letter("l1", body(item(texts={"marketing": text}, headline=text), subject=text)))
    assert mail["Bcc"] is None
    rendered = mail.get_body(("html",))
    assert rendered is not None
    assert "<script" not in rendered.get_content()


@pytest.mark.parametrize("name", ["mixed", "single"])
def test_what_people_read(name):
    """The text and the HTML of a message, whole."""
    shown = mixed() if name == "mixed" else body()
    assert text_part(shown) == (GOLDEN / f"email-{name}.txt").read_text()
    assert html_part(shown) + "\n" == (GOLDEN / f"email-{name}.html").read_text()


@pytest.mark.parametrize(
    ("window", "said"),
    [
        pytest.param("2 hours", "1 within 2 hours", id="a stretch"),
        pytest.param("now", "1 now", id="a level"),
    ],
)
def test_a_bar_s_number_is_apart_from_its_window(window, said):
    """`1 2 hours` reads like twelve."""
    shown = body({**item(), "value": "1", "window": window})
    assert f" {said}\n" in text_part(shown)
    assert said in re.sub("<[^>]*>", "", html_part(shown))
    assert said in blocks(shown)[0]["text"]["text"].replace("*", "")
