"""Signed links: what they say, how long they are valid, and that nobody else can make one."""

import contextlib
import stat
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from channel_peers import NOW, item
from hypothesis import given
from hypothesis import strategies as st

from lockstep.adapters.links import Link, LinkFault, Purpose, SignedLinks, Signer, key_beside, why_no_links
from lockstep.adapters.mail.leads import leads_of
from lockstep.adapters.mail.mail_html import html_part
from lockstep.errors import SettingsError
from lockstep.notification import Message
from lockstep.ports import Destination
from lockstep.settings import load_settings

ANNA = Destination("d", "email", "anna@example.com", "mail")
OLD, NEW = "old-key-of-the-links", "new-key-of-the-links"
LIFE_S = 30 * 86400.0


def links(*keys: str, now=NOW) -> SignedLinks:
    signer = Signer(lambda: keys or (NEW,))
    return SignedLinks(signer, base_url="https://alerts.shop.example/x/", life_s=LIFE_S, clock=lambda: now)


def token(url: str | None) -> str:
    assert url is not None
    return url.rpartition("/")[2]


def test_a_link_says_what_was_signed():
    """Alert, episode and recipient, below the address of the service; a mail's line can hold it."""
    url = links().page(item(), ANNA)
    assert url is not None
    assert url.startswith("https://alerts.shop.example/x/act/")
    assert len(url) < 200
    assert links().read(Purpose.ACT, token(url)) == Link(
        int(NOW.timestamp()), "alert-web", "episode-web", "anna@example.com", "email"
    )


def test_what_is_no_alert_has_no_page():
    """A mail that says that a silence begins leads nowhere."""
    assert links().page(msgspec.structs.replace(item(), alert_id=""), ANNA) is None


@pytest.mark.parametrize("other", [p for p in Purpose if p is not Purpose.ACT])
def test_a_link_is_good_for_one_purpose(other):
    """Who was given a link to look or to mute cannot act with it, nor the other way."""
    with pytest.raises(LinkFault):
        links().read(other, token(links().page(item(), ANNA)))


def test_keys_rotate():
    """What the old key signed is read while it is listed; the new one signs."""
    old = token(links(OLD).page(item(), ANNA))
    assert links(NEW, OLD).read(Purpose.ACT, old).about == "alert-web"
    with pytest.raises(LinkFault):
        links(NEW).read(Purpose.ACT, old)
    new = token(links(NEW, OLD).page(item(), ANNA))
    assert links(NEW).read(Purpose.ACT, new).about == "alert-web"


@pytest.mark.parametrize(
    ("later", "valid"),
    [
        pytest.param(timedelta(0), True, id="at once"),
        pytest.param(timedelta(seconds=LIFE_S), True, id="as long as an alert is kept"),
        pytest.param(timedelta(seconds=LIFE_S + 1), False, id="no longer"),
        pytest.param(-timedelta(minutes=4), True, id="signed by a worker whose clock is ahead"),
        pytest.param(-timedelta(minutes=6), False, id="signed in the future"),
    ],
)
def test_a_link_lives_as_long_as_an_alert(later, valid):
    """And says why it does not any more."""
    signed = token(links().page(item(), ANNA))
    if valid:
        assert links(now=NOW + later).read(Purpose.ACT, signed).who == ANNA.target
    else:
        with pytest.raises(LinkFault, match="older than 30 days"):
            links(now=NOW + later).read(Purpose.ACT, signed)


@pytest.mark.parametrize("purpose", [Purpose.REPORT, Purpose.CALENDAR])
def test_what_is_only_read_lives_as_long_as_its_key(purpose):
    """A report's link ends when the report is no longer kept, which its page says."""
    signed = links().token(purpose, "daily/2026-11-30")
    later = links(now=NOW + timedelta(days=399))
    assert later.read(purpose, signed).about == "daily/2026-11-30"


@given(st.text(max_size=300), st.integers(0, 100))
def test_what_was_not_signed_is_no_link(text, place):
    """Whatever comes instead is refused, and nothing else is raised; signs that no link has are passed over."""
    signed = token(links().page(item(), ANNA))
    changed = signed[:place] + ("A" if signed[place] != "A" else "B") + signed[place + 1 :]
    for wrong in (text, changed):
        with pytest.raises(LinkFault):
            links().read(Purpose.ACT, wrong)
    with contextlib.suppress(LinkFault):
        assert links().read(Purpose.ACT, signed + text) == links().read(Purpose.ACT, signed)


def test_a_key_is_made_once_beside_the_database(tmp_path: Path):
    """For its owner alone; the next start reads the same."""
    key = key_beside(tmp_path / "shop.db")
    path = tmp_path / "shop.db.link-key"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (key, 0o600)
    assert key_beside(tmp_path / "shop.db") == key
    assert [p.name for p in tmp_path.iterdir()] == ["shop.db.link-key"]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_a_key_file_that_is_none_is_said(tmp_path: Path, content):
    """And not replaced: links that were sent hang on it."""
    (tmp_path / "shop.db.link-key").write_bytes(content)
    with pytest.raises(SettingsError, match=r"shop\.db\.link-key: .*LOCKSTEP_LINK_KEY"):
        key_beside(tmp_path / "shop.db")
    assert (tmp_path / "shop.db.link-key").read_bytes() == content


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"public_url": "https://a.example"}, ""),
        ({}, "LOCKSTEP_PUBLIC_URL"),
        ({"public_url": "https://a.example", "broker": "kafka://h:9092"}, "LOCKSTEP_LINK_KEY"),
        ({"public_url": "https://a.example", "broker": "kafka://h:9092", "link_key": NEW}, ""),
    ],
)
def test_why_there_are_no_links(given, expected):
    """Said once, with the way out."""
    said = why_no_links(load_settings(**given))
    assert (expected in said) if expected else said == ""


def test_a_short_key_is_refused():
    """It would be guessed; the key itself is not repeated."""
    with pytest.raises(SettingsError, match="LOCKSTEP_LINK_KEY: a key has at least 16") as fault:
        load_settings(link_key=f"{NEW},geheim")
    assert "geheim" not in str(fault.value)


def test_a_summary_of_several_rules_can_be_muted_by_rule():
    """One click of a mail program must not choose among them; a message of one rule offers it."""
    stock = msgspec.structs.replace(item(), rule="LowStock", episode_id="e2")
    spike = msgspec.structs.replace(item(), rule="OrderSpike")
    one = Message(subject="s", state="firing", rule="OrderSpike", severity="warning", teams=("a",), items=(spike,))
    leads = leads_of(one, ANNA, links())
    assert [*leads.mutes] == ["OrderSpike"]
    assert leads.mute == leads.mutes["OrderSpike"]
    assert "Mute OrderSpike for me" in html_part(one, leads=leads)
    several = msgspec.structs.replace(one, items=(spike, stock))
    leads = leads_of(several, ANNA, links())
    assert [*leads.mutes] == ["OrderSpike", "LowStock"]
    assert leads.mute == ""
    assert links().read(Purpose.MUTE, token(leads.mutes["LowStock"])).about == "LowStock"
    page = html_part(several, leads=leads)
    assert page.index("Mute for me:") < page.index(">OrderSpike</a>") < page.index(">LowStock</a>")
