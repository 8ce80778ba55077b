"""People act on a real service: by the link of a mail, by the page, by a button in Slack, by a mail's unsubscribe."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from acting_shop import Running, running_shop, until

from lockstep.adapters.slack_api.message_blocks import buttons
from lockstep.app import utc_now


def soon() -> str:
    """In two days, as a browser writes it."""
    return (utc_now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")


NOTHING = "\u200b"
"""What our texts have behind an @ in Slack, so that it calls nobody."""


def texts_of(message: dict) -> list[str]:
    """What the small print of a message in Slack says."""
    blocks = [block for one in message["attachments"] for block in one["blocks"] if block["type"] == "context"]
    return [element["text"] for block in blocks for element in block["elements"]]


@pytest.fixture
async def shop(tmp_path) -> AsyncIterator[Running]:
    async with running_shop(tmp_path) as running:
        yield running


async def test_woken_by_a_mail_one_has_it_by_its_link(shop):
    """The link of the mail leads to the page without a login; one press, and the page, the board and the message in
    Slack say who has it. It can be taken back."""
    await shop.stock("A-1", 12)
    text = await shop.mail_about("A-1")
    (link,) = re.findall(r"https?://\S+/act/\S+", text)
    page = await shop.page(link)
    assert "Order A-1 now: 12 are left." in page
    page = await shop.press(link, "acknowledge")
    assert "ben@shop.example has it since" in page
    assert 'value="take_back"' in page
    board = await shop.page(f"{shop.url}/")
    assert board.index("Somebody is on it") < board.index("A-1")
    says = f"*ben@{NOTHING}shop.example has it since"
    await until(lambda: any(says in text for text in texts_of(shop.slack.messages[0])))
    page = await shop.press(link, "take_back", name="Anna")
    assert 'value="acknowledge"' in page
    page = await shop.press(link, "note", note="The truck is late.")
    assert "Anna wrote: The truck is late." in page


async def test_a_button_in_slack_says_who_has_it(shop):
    """Signed by Slack: the message is changed to show who; pressed again it is the same, and unsigned it is nothing."""
    await shop.stock("B-2", 12)
    await until(lambda: shop.slack.messages)
    (alert,) = await until(lambda: shop.service.board.open())
    message = shop.slack.messages[0]
    (pressed,) = [
        element
        for one in message["attachments"]
        for block in one["blocks"]
        for element in block.get("elements", ())
        if element.get("action_id") == "acknowledge"
    ]
    payload = {
        "type": "block_actions",
        "user": {"id": "U1", "name": "anna"},
        "message": message,
        "response_url": shop.slack.url.replace("/api/", "/respond"),
        "actions": [{"action_id": "acknowledge", "action_ts": "1.2", "value": pressed["value"]}],
    }
    assert pressed == buttons(alert.alert_id, alert.episode_id)["elements"][0]

    assert [await shop.press_in_slack(payload, secret="another"), await shop.press_in_slack(payload, age_s=400)] == [
        401,
        401,
    ]
    assert shop.service.responses.handling(alert.alert_id) is None
    assert [await shop.press_in_slack(payload), await shop.press_in_slack(payload)] == [200, 200]
    await until(lambda: len(shop.slack.responses) == 2)
    for response in shop.slack.responses:
        assert response["replace_original"] is True
        assert "anna has it since" in str(response["attachments"])
        assert "take_back" in str(response["attachments"])
    handling = shop.service.responses.handling(alert.alert_id)
    assert handling is not None
    assert (handling.acknowledged_by, len(handling.notes)) == ("anna", 0)
    explain = {**payload, "actions": [{"action_id": "explain", "action_ts": "2", "value": pressed["value"]}]}
    assert await shop.press_in_slack(explain) == 200
    await until(lambda: len(shop.slack.responses) == 3)
    assert "stock is 12" in shop.slack.responses[-1]["text"]
    assert shop.slack.responses[-1]["replace_original"] is False
    for odd in ({}, {"type": "view_closed"}, {**payload, "actions": []}, {**payload, "actions": [{"value": "x"}]}, 7):
        assert await shop.press_in_slack(odd) in (200, 400)
    elsewhere = {**explain, "response_url": "https://evil.example/"}
    assert await shop.press_in_slack(elsewhere) == 200
    assert shop.service.responses.handling(alert.alert_id) == handling


async def test_who_unsubscribes_hears_no_more_of_the_rule_but_what_is_critical(shop):
    """By one POST of a mail program, as RFC 8058 has it; a GET changes nothing. Others hear as before, everybody sees
    it, and the page takes it back."""
    await shop.stock("C-3", 12)
    await shop.mail_about("C-3")
    mail = shop.mailbox.mails[-1]
    mute = re.sub(r"\s", "", str(mail["List-Unsubscribe"])).strip("<>")
    assert "No more mails about “Low stock” until" in await shop.page(mute)
    assert shop.service.responses.silences() == []
    async with shop.http.post(mute, data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 200
    (silence,) = shop.service.responses.silences()
    assert silence.author == "ben@shop.example"
    before, told = len(shop.mailbox.mails), len(shop.slack.messages)
    await shop.stock("D-4", 12)
    await until(lambda: len(shop.slack.messages) > told)
    await shop.stock("E-5", 1)
    text = await shop.mail_about("E-5", after=before)
    assert "[critical]" in text
    assert not [m for m in shop.mailbox.mails[before:] if "D-4" in str(m)]
    page = await shop.press(mute, "unmute")
    assert "No more mails about" in page
    assert shop.service.responses.silences() == []


async def test_a_product_is_kept_quiet_for_some_hours(shop):
    """Chosen by words. One looks at what it hits, then makes it; the page says in words what is quiet; one ends it."""
    await shop.stock("F-6", 12)
    await shop.mail_about("F-6")
    url = f"{shop.url}/silences"
    asked = await shop.page(url)
    assert '<option value="LowStock">Low stock</option>' in asked
    assert '<option value="F-6">' in asked
    filled = {"rule": "LowStock", "sku": "F-6", "for": "4h", "comment": "a campaign", "name": "Anna"}
    preview = " ".join(re.sub("<[^>]*>", "", await shop.press(url, "preview", **filled)).split())
    assert "It keeps 1 alert quiet now" in preview
    assert "Low stock, product F-6, goes on now" in preview
    assert shop.service.responses.silences() == []
    page = await shop.press(url, "make", **filled)
    assert "Low stock, product F-6" in page
    assert "a campaign" in page
    (silence,) = shop.service.responses.silences()
    assert (silence.author, silence.matchers) == ("Anna", ("rule=LowStock", "sku=F-6"))
    page = await shop.press(url, "", end=silence.id)
    assert shop.service.responses.silences() == []
    assert "End it now" not in page


async def test_conditions_and_times_can_be_exact(shop):
    """What words cannot say is written as conditions, with an end to the minute."""
    filled = {"matchers": 'rule=LowStock\nsku=~"F-.*"', "comment": "stocktaking", "ends": soon(), "name": "Anna"}
    page = await shop.press(f"{shop.url}/silences", "make", **filled)
    assert "Low stock" in page
    assert "F-.*" in page
    (silence,) = shop.service.responses.silences()
    assert silence.matchers == ("rule=LowStock", 'sku=~"F-.*"')
    assert silence.ends.startswith(soon()[:10])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"matchers": "sku>5"}, "sku"),
        ({"matchers": ""}, "Say what is kept quiet"),
        ({"comment": " "}, "Say why"),
        ({"ends": ""}, "Say until when"),
        ({"ends": "2001-01-01T00:00"}, "end after it begins, and after now"),
        ({"ends": "tomorrow"}, "Write a time like"),
        ({"name": ""}, "Say who you are"),
    ],
)
async def test_what_cannot_be_silenced_is_said(shop, changed, says):
    """With everything that was filled in still there, and nothing made."""
    filled = {"matchers": "rule=LowStock", "comment": "x", "ends": soon(), "name": "Anna", **changed}
    (form, *_) = re.findall(r'name="form" value="([^"]+)"', await shop.page(f"{shop.url}/silences"))
    async with shop.http.post(f"{shop.url}/silences", data={"form": form, "do": "make", **filled}) as answer:
        page = await answer.text()
        assert answer.status == 400
    assert says in page.partition("</p>")[0]
    assert filled["matchers"].replace(">", "&gt;") in page
    assert shop.service.responses.silences() == []


async def test_one_takes_a_shift(shop):
    """Who is on call, and who stands in, on one page; ended, it is as before."""
    url = f"{shop.url}/oncall"
    assert re.search(r'<p class="standing"><bdi>chat</bdi>', await shop.page(url))
    page = await shop.press(url, "take", schedule="day", who="mail", ends=soon(), name="Ben")
    assert re.search(r'<p class="standing"><bdi>mail</bdi>', page)
    assert "stands in" in page
    (override,) = shop.service.responses.overrides()
    assert (override.by, override.schedule, override.who) == ("Ben", "day", "mail")
    page = await shop.press(url, "", end=override.id)
    assert re.search(r'<p class="standing"><bdi>chat</bdi>', page)
    assert shop.service.responses.overrides() == []


async def test_an_action_is_added_taken_and_closed_on_its_page(shop):
    url = f"{shop.url}/actions"
    (form, *_) = re.findall(r'name="form" value="([^"]+)"', await shop.page(url))
    given = {"form": form, "do": "add", "text": "call <b>the supplier</b>", "assignee": "Ben", "due": "2026-01-05"}
    async with shop.http.post(url, data={**given, "name": "Anna"}) as answer:
        page = await answer.text()
    assert "call &lt;b&gt;the supplier&lt;/b&gt;" in page
    assert "Ben" in page
    assert "was due Mon 5 Jan" in page
    (action,) = await until(shop.service.responses.actions)
    assert (action.by, action.assignee, action.due) == ("Anna", "Ben", "2026-01-05")
    async with shop.http.post(url, data={**given, "name": "Anna"}):
        assert len(shop.service.responses.actions()) == 1  # pressed twice
    async with shop.http.post(url, data={"form": form, "close": action.id, "name": "Anna"}) as answer:
        assert "Nothing to do" in await answer.text()
    nobodys = {"form": form, "do": "add", "text": "agree on a budget", "name": "Anna"}
    async with shop.http.post(url, data=nobodys) as answer:
        page = await answer.text()
    assert "1 to do, 1 of them nobody’s yet" in page
    (action,) = shop.service.responses.actions()
    async with shop.http.post(url, data={"form": form, "take": action.id, "name": "Clara"}) as answer:
        assert "I’ll do it" not in await answer.text()
    assert [one.assignee for one in shop.service.responses.actions()] == ["Clara"]
    async with shop.http.post(url, data={"form": form, "do": "add", "name": "Anna"}) as answer:
        assert answer.status == 400
        assert "Write what is to be done." in await answer.text()
