"""Email: what arrives, how it threads, and how it reads."""

import re
from collections.abc import Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import escape, unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from channel_peers import NOW, Inbox, Letter, body, item, mixed, slack_text, smtp_server
from msgspec.structs import replace
from report_samples import ACTIONS, NEWS, SIX, sample_shop

from lockstep.adapters.channels.email import EmailChannel
from lockstep.adapters.mail.leads import leads_of
from lockstep.adapters.mail.letter import message_of
from lockstep.adapters.mail.mail_html import html_part
from lockstep.adapters.mail.mail_text import text_part
from lockstep.notification import Item, Picture
from lockstep.notify.message import came_and_went
from lockstep.ports import Destination
from lockstep.reports.daily import daily
from lockstep.reports.report_body import report_document
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
    assert mail["Subject"] == "Warning: OrderSpike, web: 62 within 15 minutes, usually 20"
    parts = [part.get_content_type() for part in mail.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().replace("\r\n", "\n") == text_part(body())


async def test_the_mails_of_an_episode_make_one_thread():
    """One common reference, which no mail is, whatever came first; the subjects say what each is about."""
    first = await _arrived(Letter("l1", body()))
    last = await _arrived(Letter("l2", body(item("resolved"))))
    other = await _arrived(Letter("l3", body(item(episode_id="another"))))
    assert first["Subject"] == "Warning: OrderSpike, web: 62 within 15 minutes, usually 20"
    assert last["Subject"] == "All clear after 20 minutes: OrderSpike, web, now 62 within 15 minutes, usually 20"
    assert first["References"] == last["References"] == last["In-Reply-To"]
    assert first["References"] not in (first["Message-ID"], last["Message-ID"])
    assert other["References"] != first["References"]


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
    one, two = (message_of(ANNA, Letter("l1", body()), sender="a@b.example", now=now) for now in (NOW, later))
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
    shown = body(replace(item(), value="1", window=window, value_bar="██", usual_bar="█"))
    assert f" {said}\n" in text_part(shown)
    assert said in re.sub("<[^>]*>", "", html_part(shown))
    assert said in slack_text(shown).replace("*", "")


async def test_labels_are_text_in_a_sent_mail():
    """As the relay got it: what looks like HTML, a link or an entity is read as it is written, in both parts."""
    sku = '<a href="http://evil.example">A&amp;1</a> =?utf-8?Q?x=3A?= "quoted" ~x~'
    sent = await _arrived(Letter("l1", body(item(labels={"sku": sku}, headline=f"{sku} is low"))))
    rendered, plain = sent.get_body(("html",)), sent.get_body(("plain",))
    assert rendered is not None
    assert plain is not None
    read = unescape(re.sub("<[^>]*>", " ", rendered.get_content()))
    assert read.count(f"{sku} is low") == 2  # title and card
    assert f"sku {sku}" in read
    assert f"{sku} is low" in plain.get_content()
    assert str(sent["Subject"]) == f"Warning: {sku} is low"


async def test_the_rule_stands_in_a_mail_whose_words_are_its_author_s():
    """A summary need name neither rule nor label."""
    sent = await _arrived(Letter("l1", body(item(headline="sold out"))))
    for kind in ("plain", "html"):
        part = sent.get_body((kind,))
        assert part is not None
        assert "OrderSpike, channel web" in part.get_content()


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours. Source: WCAG 2.1, 1.4.3."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _style(css: str, selector: str) -> dict[str, str]:
    (found,) = re.findall(rf"(?:^|[{{}}])\.{selector}\{{([^}}]*)\}}", css)
    return {n: v.removesuffix("!important") for n, _, v in (rule.partition(":") for rule in found.split(";"))}


@pytest.mark.parametrize("tone", ["critical", "warning", "info", "over"])
def test_a_mail_can_be_read_in_the_dark(tone):
    """Clients are asked for their dark mode, and in it every text has the contrast that WCAG asks for (4.5), every bar
    and edge that of graphics (3)."""
    shown = html_part(mixed())
    assert '<meta name="color-scheme" content="light dark">' in shown
    css = shown.partition("@media (prefers-color-scheme:dark){")[2].partition("</style>")[0]
    page, card = _style("{" + css, "page"), _style(css, "card")
    assert _contrast(page["background"], page["color"]) > 4.5
    for text in ("grey", "soft", "link"):
        for ground in (page, card):
            assert _contrast(ground["background"], _style(css, text)["color"]) > 4.5
    assert _contrast(_style(css, tone)["background"], "#ffffff") > 4.5
    for part in (_style(css, tone)["background"], _style(css, f"{tone}-edge")["border-left-color"]):
        assert _contrast(part, card["background"]) > 3


def test_no_colour_of_a_mail_is_left_to_the_light():
    """Whatever has a colour of its own has a class for the dark one."""
    for style in re.findall(r"<[^>]*style=\"[^\"]*(?:[^-]color|background):[^>]*>", html_part(mixed())):
        assert "class=" in style


PNG = b"\x89PNG light"
DARK = b"\x89PNG dark"


class Drawn:
    """ports.Pictures: each item that has a chart has this one. asked: for which."""

    def __init__(self, *, dark: bytes | None = DARK) -> None:
        self.asked: list[str] = []
        self._dark = dark

    async def of(self, item: Item) -> Picture | None:
        self.asked.append(item.episode_id)
        return Picture(PNG, self._dark, '62 where "20" is <usual>') if isinstance(item.chart, str) else None

    async def of_report(self, document: Mapping[str, Any]) -> dict[str, Picture]:
        return {"yesterday/orders": Picture(PNG, None, "Orders, the oldest first: 96, 128")}

    async def close(self) -> None:
        pass


async def _with_chart(letter: Letter, inbox: Inbox, drawn: Drawn) -> list[EmailMessage]:
    async with smtp_server(inbox) as port:
        settings = Settings(smtp_port=port, smtp_from="Lockstep <alerts@shop.example>")
        await EmailChannel(settings, pictures=drawn).send(ANNA, letter, now=NOW)
    mails = [message_from_bytes(envelope.content, policy=default) for envelope in inbox.mails]
    return [mail for mail in mails if isinstance(mail, EmailMessage)]


async def test_a_mail_shows_its_chart_without_asking_anybody():
    """The picture belongs to the HTML part, for light and for dark, with words for who cannot see it."""
    (mail,) = await _with_chart(Letter("l1", body()), Inbox(), Drawn())
    parts = [part.get_content_type() for part in mail.walk()]
    assert parts == [
        *("multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png", "image/png"),
    ]
    light, dark = (part for part in mail.walk() if part.get_content_type() == "image/png")
    assert (light.get_content(), dark.get_content()) == (PNG, DARK)
    assert {light.get_content_disposition(), dark.get_content_disposition()} == {"inline"}
    html = mail.get_body(("html",))
    assert html is not None
    sources = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', html.get_content())
    assert [source for source, _ in sources] == [f"cid:{p['Content-ID'].strip('<>')}" for p in (light, dark)]
    assert {unescape(alt) for _, alt in sources} == {'62 where "20" is <usual>'}
    assert "http" not in re.sub(r"https://shop.example\S*", "", "".join(source for source, _ in sources))


async def test_one_alert_has_its_chart_and_several_have_none():
    """Of several a line each is said; who has no dark one shows the light one everywhere."""
    drawn = Drawn(dark=None)
    for many, pictures in ((1, 1), (30, 0)):
        items = [item(channel=f"c{n}", transition_id=f"t{n}") for n in range(many)]
        (mail,) = await _with_chart(Letter(f"l{many}", body(*items)), Inbox(), drawn)
        assert len([part for part in mail.walk() if part.get_content_type() == "image/png"]) == pictures
    assert drawn.asked == ["episode-c0"]


async def test_no_chart_is_no_matter():
    """The mail is that of one who draws nothing."""
    (mail,) = await _with_chart(Letter("l1", body(item(explanation=None))), Inbox(), Drawn())
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]


async def test_a_relay_that_takes_no_large_mail_gets_a_small_one():
    """552 at the final dot is said of the size: the same mail goes once more, without its chart."""

    class Small(Inbox):
        async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd looks for this name
            return (
                "552 5.3.4 too large"
                if b"image/png" in envelope.content
                else await super().handle_DATA(server, session, envelope)
            )

    (mail,) = await _with_chart(Letter("l1", body()), Small(), Drawn())
    assert mail["Message-ID"] == "<l1@shop.example>"
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]


class Leading:
    """ports.Links: addresses that say what they are for."""

    def page(self, item: Item, destination: Destination) -> str | None:
        return f"https://a.example/act/{item.episode_id}.{destination.target}{'x' * 120}"

    def mute(self, rule: str, destination: Destination) -> str | None:
        return f"https://a.example/mute/{rule}.{destination.target}.{'y' * 300}"

    def chart(self, item: Item) -> str | None:
        return None


async def _led(letter: Letter) -> EmailMessage:
    inbox = Inbox()
    async with smtp_server(inbox) as port:
        channel = EmailChannel(Settings(smtp_port=port, smtp_from="a@shop.example"), links=Leading())
        await channel.send(ANNA, letter, now=NOW)
        await channel.close()
    (envelope,) = inbox.mails
    assert b"\nList-Unsubscribe: <https" in envelope.content or b"\nList-Unsubscribe:\r\n <https" in envelope.content
    mail = message_from_bytes(envelope.content, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


async def test_a_mail_leads_to_its_alert_and_away_from_its_rule():
    """A button for who is on it, one to look, one link in the text; what mail programs show as `unsubscribe` is whole,
    however long (RFC 8058)."""
    mail = await _led(Letter("l1", body()))
    page, mute = Leading().page(item(), ANNA), Leading().mute("OrderSpike", ANNA)
    assert mail["List-Unsubscribe"].replace("\r\n", "").strip() == f"<{mute}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    assert html is not None
    assert text is not None
    links = re.findall(r'href="([^"]+)"[^>]*>([^<]+)<', html.get_content())
    assert links == [(f"{page}#act", "I&#x27;m on it"), (page, "See details"), (mute, "Mute OrderSpike for me")]
    assert re.findall(r"https?://\S+", text.get_content()) == [page]


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        pytest.param({}, ["I'm on it", "See details"], id="nobody has it"),
        pytest.param({"handled": "Ben has it since 14:05"}, ["See details"], id="somebody has it"),
        pytest.param({"state": "resolved"}, ["See details"], id="it is over"),
    ],
)
def test_what_can_be_done_is_offered(shown, words):
    """Only what nobody has yet is there to be taken on; who has it is said."""
    one = replace(item(), **shown)
    html = html_part(body(one), None, leads_of(body(one), ANNA, Leading()))
    assert [word for word in ("I'm on it", "See details") if f">{escape(word)}</a>" in html] == words
    assert ("Ben has it since 14:05" in html) == ("handled" in shown)
    assert ("Ben has it since 14:05" in text_part(body(one))) == ("handled" in shown)


def test_a_mail_says_why_it_came():
    """In words that go on behind `because`, where it does not say that by itself."""
    said = "You get this because nobody has it after 15 minutes."
    told = body(reason="nobody has it after 15 minutes")
    assert said in text_part(told)
    assert said in html_part(told)
    plain = body(reason="it has begun", evident=True)
    assert "You get this" not in text_part(plain) + html_part(plain)


def test_a_phone_s_list_shows_what_happened_and_what_to_do():
    """Behind the subject, which says how bad it is and what happened, stands whose it is and what to do."""
    one = item(teams=("operations",), texts={"operations": "Call in hands. 6 too many."})
    shown = html_part(body(replace(one, to_do={"operations": "Call in hands."})))
    assert re.findall(r'overflow:hidden">([^<]*)<', shown) == ["Operations: Call in hands."]


def test_what_a_reader_looks_up_is_small():
    """Names of measures, of the rule and of chance are behind the page, or in the last grey line."""
    shown = html_part(body(item()), None, leads_of(body(item()), ANNA, Leading()))
    read = unescape(re.sub("<[^>]*>", " ", shown.partition("</head>")[2]))
    assert "count of order.placed" not in read
    assert "The rule asks for" not in read
    head, _, foot = shown.partition("See details")
    assert "OrderSpike, channel web" not in unescape(re.sub("<[^>]*>", "", head.partition("</b>")[2]))
    assert "font-size:12px" in foot
    assert "OrderSpike, channel web" in foot


def test_of_several_the_worst_come_first_with_what_to_do():
    """How many there are and how bad, the first three with what to do, then where all are; then a line each."""
    items = [
        replace(item(channel=f"c{n}"), to_do={"marketing": f"Do {n}."}, texts={"marketing": f"Do {n}."})
        for n in range(7)
    ]
    message = body(replace(items[0], severity="critical"), *items[1:], more=4, overview="https://a.example/")
    shown = unescape(re.sub("<[^>]*>", "\n", html_part(message, None, leads_of(message, ANNA, Leading()))))
    order = [
        shown.index(text)
        for text in ("11 alerts, 1 critical", "Do 0.", "Do 2.", "See all 11", "c3", "c6", "… and 4 more")
    ]
    assert order == sorted(order)
    assert "Do 3." not in shown
    text = text_part(message)
    assert text.startswith("11 alerts, 1 critical\n\n[critical] ")
    assert "See all 11: https://a.example/" in text


def test_what_is_to_be_done_about_all_of_them_is_said_once():
    """So it is of what came and went."""
    gone = [came_and_went(item(channel=f"c{n}"), item("resolved", f"c{n}")) for n in range(3)]
    message = body(*gone, state="resolved")
    assert message.lead == "3 alerts came and went"
    assert html_part(message).count("Nothing to do: it was over before you could be told.") == 1
    assert text_part(message).count("Nothing to do: it was over before you could be told.") == 1


async def test_a_report_brings_its_small_charts():
    """Each a picture in the mail, with its numbers in words; those that are not drawn stand in letters."""
    report = daily(sample_shop(campaigns=False), NEWS, ACTIONS, SIX)
    message = msgspec.structs.replace(body(), report=report_document(report))
    (mail,) = await _with_chart(Letter("r1", message), Inbox(), Drawn())
    (picture,) = (part for part in mail.walk() if part.get_content_type() == "image/png")
    html = mail.get_body(("html",))
    assert html is not None
    ((source, alt),) = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', html.get_content())
    assert (source, alt) == (f"cid:{picture['Content-ID'].strip('<>')}", "Orders, the oldest first: 96, 128")
    assert 'class="r-bars"' in html.get_content()
