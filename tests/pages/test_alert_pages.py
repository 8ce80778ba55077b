"""The pages of alerts over HTTP: what they say, that looking never acts, and who may act as whom."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from page_samples import (
    ANNA,
    FELL,
    HANDLED,
    LONDON,
    NOW,
    OVER,
    SILENCED,
    Served,
    answered,
    commands,
    records,
    served,
    stands,
    transition,
)

from lockstep.adapters.http.access import Access
from lockstep.adapters.http.caller import NOBODY, admit
from lockstep.adapters.http.pages.board_view import MOST_LOOKED_AT, BoardView, Section, board_view
from lockstep.adapters.http.pages.visitor import SESSION_COOKIE, Visitors
from lockstep.adapters.http.token_book import TokenBook
from lockstep.adapters.links import Signer
from lockstep.adapters.stream import open_broker
from lockstep.notify.message import Writer
from lockstep.response.command import Acknowledge, AddNote, Answer, Assign, Close, Snooze, TakeBack
from lockstep.response.standing import Silence, Standing
from lockstep.settings import load_settings


@pytest.fixture
async def shop(tmp_path) -> AsyncIterator[Served]:
    async with served(tmp_path) as pages:
        yield pages


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A browser without scripts: it keeps cookies."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), trust_env=False) as session:
        yield session


async def know(shop: Served, *standing: Standing) -> None:
    """People have done something, and the pages know."""
    await shop.broker.publish(stands(*standing))
    await shop.known.responses.refresh()


def act_link(shop: Served, of=FELL) -> str:
    return shop.path(shop.links.to("act", of.alert_id, of.episode_id, ANNA))


async def opened(http, url: str, status: int = 200) -> str:
    async with http.get(url) as answer:
        assert answer.status == status
        return await answer.text()


def form_of(page: str) -> str:
    return re.findall(r'name="form" value="([^"]+)"', page)[0]


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


async def test_one_glance_says_what_how_bad_and_what_to_do(shop, http):
    """Its first lines are the severity, the headline, what each team does in bold, and the button; how it is known is
    folded away."""
    page = await opened(http, act_link(shop))
    said = words(page[page.index("<main") :])
    head, _, how = said.partition("How Lockstep knows")
    places = [
        head.index(text)
        for text in (
            "critical since 03:00",
            "OrdersFell, web: 3 within 15 minutes, usually 41",
            "Marketing Web takes hardly any orders",
            "Operations Check checkout",
            "I’m on it Nobody has it yet",
            "What happened",
        )
    ]
    assert places == sorted(places)
    assert page.count('class="to-do"') == 2
    assert '<details class="card" id="why">' in page
    for hidden in ("x the usual", "channel web", "sigma"):
        assert hidden not in head
        assert hidden in how


async def test_all_that_is_known_is_there(shop, http):
    """Who was told, who was not and why not, in the order of time; each number of the verdict, and the picture by its
    address."""
    page = await opened(http, act_link(shop))
    said = words(page)
    assert "Tue 24 Nov 03:00 First seen, and watched: it may pass by itself: 3 03:05 It began (critical): 3" in said
    assert "Mail to marketing-mail, Slack message to shop-slack sent" in said
    assert "Not sent to night-phone by email: muted by nights until Tue 24 Nov 2026 07:00 GMT" in said
    assert "Now: it fires since 03:00" in said
    for number in (
        "measured 3",
        "usual 41, of the last 4 weeks",
        "limit 20.5",
        "the rule asks: below 0.5",
        "sigma 4.5",
    ):
        assert number in said
    picture = re.findall(r'<img class="chart" src="\.\./(chart/[^"]+)" alt="([^"]+)"', page)
    assert [alt for _, alt in picture] == ["3 where 41 is usual"] or "41" in picture[0][1]
    for address in (picture[0][0], f"{picture[0][0]}&in=dark"):
        async with http.get(f"{shop.url}/{unescape(address)}") as answer:
            assert (answer.status, answer.content_type) == (200, "image/svg+xml")
            assert "<svg" in await answer.text()


async def test_who_has_it_is_said_first(shop, http):
    """Behind the headline; the button is the one to give it back, and notes have their own place."""
    page = words(await opened(http, act_link(shop, HANDLED)))
    assert "usually 41 Ben has it since 02:52 Nothing is left for you to do." in page
    assert "Give it back" in page
    assert "02:52 Ben took it" in page
    assert "Notes The truck is late, it comes at 9. Ben, 03:12" in page


async def test_what_is_over_has_no_buttons(shop, http):
    """It is said that it is over; there is nothing to do."""
    page = await opened(http, act_link(shop, OVER))
    assert "<form" not in page
    assert "Over: Stock low, product 22423" in page
    assert "over 01:42 to 03:09" in words(page)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_never_acts(shop, http, method):
    """Whoever fetches links of mails, scanners that look at each, changes nothing, whatever they add to them."""
    links = [
        act_link(shop),
        act_link(shop, HANDLED),
        shop.path(shop.links.look(FELL.alert_id, FELL.episode_id)),
        f"{shop.url}/",
        f"{shop.url}/alerts/{FELL.alert_id}",
    ]
    for link in links:
        for more in ("", "?do=acknowledge", "?do=acknowledge&form=x&name=Eve"):
            async with http.request(method, f"{link}{more}") as answer:
                assert answer.status == 200
    assert await commands(shop.broker) == []


async def test_every_page_keeps_others_out(shop, http):
    """Nothing of other hosts, no script, no frame, nothing kept by caches, named to nobody."""
    for path in (
        act_link(shop),
        f"{shop.url}/",
        f"{shop.url}/login",
        f"{shop.url}/act/none",
        f"{shop.url}/alerts/none",
    ):
        async with http.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            page = await answer.text()
            assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
            assert "noindex" in answer.headers["X-Robots-Tag"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'")
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"<script|style=|javascript:|\son\w+=", page)
        assert re.findall(r'(?:src|srcset)="(?!\.\./chart/)', page) == []
    async with http.get(f"{shop.url}/style.css") as answer:
        assert "url(" not in await answer.text()


async def test_labels_and_words_are_text(tmp_path, http):
    """What an event, a rule's author or a person says never becomes markup."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    one = transition("OrdersFell", labels={"channel": evil}, ago_min=1)
    note = Answer(
        id="c", command=AddNote(id="c", by=evil, way="page", at=one.at, alert_id=one.alert_id, text=evil),
        applied=True, why=evil, decided_at=one.at,
    )  # fmt: skip
    async with served(tmp_path, [*records([one]), answered(note)]) as shop:
        board = await opened(http, f"{shop.url}/")
        page = await opened(
            http, f"{shop.url}/act/{shop.links.token('act', one.alert_id, one.episode_id, ANNA)}?done=c"
        )
    for text in (board, page):
        assert "<script" not in text
        assert "<img src=x" not in text
        assert "&lt;script&gt;" in text


async def pressed(http, url: str, page: str, **given: str) -> aiohttp.ClientResponse:
    async with http.post(url, data={"form": form_of(page), **given}, allow_redirects=False) as answer:
        await answer.read()
        return answer


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        ({"do": "acknowledge"}, Acknowledge, {}),
        ({"do": "take_back"}, TakeBack, {}),
        ({"do": "assign", "to": "Ben\r\nX"}, Assign, {"to": "Ben X"}),
        ({"do": "note", "note": "one\r\ntwo"}, AddNote, {"text": "one\ntwo"}),
        ({"do": "snooze", "for": "4h"}, Snooze, {"until": "2026-11-24T07:12:00Z"}),
        ({"do": "close", "note": "a fire drill"}, Close, {"note": "a fire drill"}),
    ],
)
async def test_a_button_is_a_command(shop, http, given, kind, says):
    """Of the alert and the episode that were seen, by the link's recipient, and once however often it is pressed; the
    page that follows says that it is on its way while nobody has applied it."""
    url = act_link(shop)
    page = await opened(http, url)
    first, second = [await pressed(http, url, page, **given) for _ in range(2)]
    assert (first.status, first.headers["Location"]) == (303, second.headers["Location"])
    one, *others = await commands(shop.broker)
    assert type(one) is kind
    assert {name: getattr(one, name) for name in says} == says
    assert (one.by, one.way, one.alert_id, one.episode_id) == (ANNA.target, "link", FELL.alert_id, FELL.episode_id)
    assert {other.id for other in others} == {one.id}
    assert "It is on its way" in words(await opened(http, f"{url}{first.headers['Location']}"))


async def test_what_one_did_is_said(shop, http):
    """As the audit has it; a refusal says why."""
    url = act_link(shop)
    assert "Ben has StockLow, sku 85099B" in words(await opened(http, f"{url}?done=c1"))


async def test_a_name_is_asked_for_once(shop, http):
    """A link to nobody in particular asks; then the browser knows, on other links too, and a name wins over a link's
    recipient."""
    url = shop.path(shop.links.to("act", FELL.alert_id, FELL.episode_id))
    page = await opened(http, url)
    assert "Your name" in page
    refused = await pressed(http, url, page, do="acknowledge")
    assert refused.status == 400
    assert (await pressed(http, url, page, do="acknowledge", name=" Anna \n Smith ")).status == 303
    other = act_link(shop, HANDLED)
    page = await opened(http, other)
    assert "You are Anna Smith ." in words(page)
    await pressed(http, other, page, do="take_back")
    assert [command.by for command in await commands(shop.broker)] == ["Anna Smith", "Anna Smith"]


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"form": ""}, id="without the form's mark"),
        pytest.param({"form": "another"}, id="with a made up one"),
        pytest.param({"form": "of another alert"}, id="with that of another alert"),
    ],
)
async def test_a_form_that_is_not_of_this_page_does_nothing(shop, http, wrong):
    """Scanners that post what they find, and pages of others, have none."""
    url = act_link(shop)
    if wrong["form"] == "of another alert":
        wrong = {"form": form_of(await opened(http, act_link(shop, HANDLED)))}
    async with http.post(url, data={"do": "acknowledge", **wrong}, allow_redirects=False) as answer:
        assert answer.status == 400
        assert "Look again" in await answer.text()
    assert await commands(shop.broker) == []


async def test_pages_of_others_cannot_act(shop, http):
    """A browser says where a form came from."""
    url = act_link(shop)
    page = await opened(http, url)
    given = {"form": form_of(page), "do": "acknowledge"}
    async with http.post(url, data=given, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
        assert answer.status == 403
    assert await commands(shop.broker) == []


async def test_a_link_to_look_cannot_act(shop, http):
    """It has no buttons, and nothing takes its form."""
    url = shop.path(shop.links.look(FELL.alert_id, FELL.episode_id))
    assert "<form" not in await opened(http, url)
    async with http.post(url, data={"do": "acknowledge"}) as answer:
        assert answer.status == 405


async def test_the_board_has_a_section_for_each_kind(shop, http):
    """What fires comes first, the most severe first; who has it and why nobody hears of it stands beside."""
    page = words(await opened(http, f"{shop.url}/"))
    places = [
        page.index(text)
        for text in (
            "2 alerts need somebody",
            "Nobody has it yet 2",
            "OrdersFell, web",
            "Marketing Web takes hardly any orders",
            "Operations Check checkout",
            "since 03:00 · nobody yet I’m on it",
            "Somebody is on it 1",
            "Ben has it since 02:52",
            "Kept quiet: nobody is told 1",
            "silenced by Anna until",
            "Watched: may pass by itself 1",
            "84879",
            "Over since yesterday 1",
            "22423",
        )
    ]
    assert places == sorted(places)
    marketing = words(await opened(http, f"{shop.url}/?team=marketing"))
    assert "OrdersFell" in marketing
    assert "StockLow" not in marketing
    assert "Marketing Web takes hardly any orders" in marketing
    assert "Operations Check checkout" not in marketing


def test_of_very_many_the_most_severe_are_looked_at():
    """Of the others only their number is said, so that the page costs what it shows and not what is open."""
    many = [transition("OrdersFell", labels={"channel": f"c{n}"}, severity="info") for n in range(5_000)]
    asked: list[str] = []

    def handling(alert_id: str) -> None:
        asked.append(alert_id)

    view = board_view(
        [*many, FELL],
        {},
        Writer(LONDON, None, "EUR"),
        handling=handling,
        decisions=lambda *_: [],
        silenced=lambda _: None,
        now=NOW,
    )
    assert asked[0] == FELL.alert_id
    assert (len(asked), view.uncounted) == (MOST_LOOKED_AT, 5_001 - MOST_LOOKED_AT)


@pytest.mark.parametrize(
    ("counts", "says", "tone"),
    [
        pytest.param({}, "All is well. Nothing to do.", "over", id="nothing"),
        pytest.param({"unheard": 1}, "Nothing to take: 1 alert kept quiet", "info", id="what goes on is kept quiet"),
        pytest.param(
            {"handled": 2, "unheard": 1}, "Nothing more to take: somebody has all 2 alerts", "info", id="taken"
        ),
    ],
)
def test_the_head_of_the_board_is_green_only_where_nothing_goes_on(counts, says, tone):
    view = BoardView([Section(kind, count=count) for kind, count in counts.items()])
    assert (view.headline, view.tone) == (says, tone)


async def test_what_was_told_and_is_silenced_since_is_no_more_among_what_fires(shop, http):
    """Nobody hears of it again, for as long as it is silenced; a silence of one team keeps it there for the other."""
    hours = {"starts": (NOW - timedelta(hours=1)).isoformat(), "ends": (NOW + timedelta(hours=1)).isoformat()}
    told = {"author": "Ben", "comment": "the fair", **hours}
    await know(shop, Silence(id="s1", matchers=("rule=OrdersFell", "team=marketing"), **told))
    page = words(await opened(http, f"{shop.url}/"))
    assert page.index("OrdersFell, web") < page.index("Kept quiet: nobody is told 1")
    await know(shop, Silence(id="s2", matchers=("rule=OrdersFell",), **told))
    page = words(await opened(http, f"{shop.url}/"))
    assert page.index("Kept quiet: nobody is told 2") < page.index("OrdersFell, web")
    assert "silenced by Ben: the fair" in page


async def test_without_a_link_one_logs_in(tmp_path, http):
    """Where there is a token: it is asked for, kept by the browser, and forgotten again. A link needs none."""
    async with served(tmp_path, api_token="geheim-und-lang") as shop:
        url = f"{shop.url}/alerts/{FELL.alert_id}"
        page = await opened(http, url, status=401)
        assert "usually 41" not in page
        async with http.post(url, data={"do": "acknowledge", "name": "Eve"}) as answer:
            assert answer.status == 401
        ways = {"form": form_of(page), "to": f"alerts/{FELL.alert_id}"}
        async with http.post(f"{shop.url}/login", data={**ways, "token": "wrong"}) as answer:
            assert (answer.status, "no token of this service" in await answer.text()) == (401, True)
        async with http.post(f"{shop.url}/login", data={**ways, "token": "geheim-und-lang", "name": "Anna"}) as answer:
            assert (answer.status, str(answer.url)) == (200, url)
        for cookie in http.cookie_jar:
            assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
            assert "geheim" not in cookie.value
        page = await opened(http, url)
        assert (await pressed(http, url, page, do="acknowledge")).status == 303
        (command,) = await commands(shop.broker)
        assert (command.by, command.way) == ("Anna", "page")
        assert "I’m on it" in await opened(http, act_link(shop))
        async with http.post(
            f"{shop.url}/logout", data={"form": form_of(await opened(http, f"{shop.url}/"))}
        ) as answer:
            assert answer.status == 401


async def test_a_session_ends_with_its_token(tmp_path, http):
    """A browser keeps that somebody has given it, and not the token; another one of that name is another login."""
    async with served(tmp_path) as shop:

        async def token() -> str:
            made = await shop.tokens.add("wall screen", "viewer", by="ops", at=NOW)
            await shop.tokens.refresh()
            return made

        async def taken_back() -> None:
            await shop.tokens.remove("wall screen", by="ops", at=NOW)
            await shop.tokens.refresh()

        first = await token()
        given = {"form": form_of(await opened(http, f"{shop.url}/login", status=401)), "token": first}
        async with http.post(f"{shop.url}/login", data=given) as answer:
            assert answer.status == 200
        kept = [cookie.value for cookie in http.cookie_jar]
        assert kept
        assert not any(first in value or first[4:] in value for value in kept)
        await taken_back()
        await token()
        await opened(http, f"{shop.url}/", status=401)


def test_a_session_is_over_after_a_week(tmp_path):
    """And was never one where somebody else's key signed it."""
    settings = load_settings(broker=f"sqlite:///{tmp_path}/shop.db", api_token="geheim-und-lang")
    access = Access(settings, TokenBook(open_broker(settings, clock=lambda: NOW)))
    moment = [NOW]

    def visitors(key: str) -> Visitors:
        return Visitors(Signer(lambda: [key]), public_url=None, access=access, clock=lambda: moment[0])

    here, response = visitors("a-key"), web.Response()
    login = here.login("geheim-und-lang")
    assert login is not None
    assert here.login("geheim") is None
    here.remember_login(response, login)
    request = make_mocked_request("GET", "/", headers={"Cookie": response.cookies[SESSION_COOKIE].output(header="")})
    admit(request, NOBODY, {})
    assert here.by_login(request) is not None
    assert visitors("another-key").by_login(request) is None
    moment[0] = NOW + timedelta(days=7, seconds=1)
    assert here.by_login(request) is None


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/x", "../x"])
async def test_a_login_leads_to_pages_of_ours_alone(tmp_path, http, to):
    """Wherever a link to it says that one wants to go."""
    async with served(tmp_path, api_token="geheim-und-lang") as shop:
        given = {
            "form": form_of(await opened(http, f"{shop.url}/login", status=401)),
            "to": to,
            "token": "geheim-und-lang",
        }
        async with http.post(f"{shop.url}/login", data=given, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "./")


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", 200), ("localhost:8480", 200), ("evil.example", 401)])
async def test_without_a_token_only_this_machine_sees_the_board(shop, http, host, status):
    """Whoever comes through a proxy, or by a name that was made to lead here, is somebody else."""
    async with http.get(f"{shop.url}/", headers={"Host": host}) as answer:
        assert answer.status == status
        assert ("OrdersFell" in await answer.text()) == (status == 200)


async def test_an_alert_that_is_not_known_is_said(shop, http):
    """So are links that are none, or too old."""
    assert "not known here" in await opened(http, f"{shop.url}/alerts/none", status=404)
    assert "This link does not work" in await opened(http, f"{shop.url}/act/none", status=404)
    assert "This link does not work" in await opened(http, f"{shop.url}/chart/none", status=404)
    assert NOW.year == 2026
    assert SILENCED.rule in words(await opened(http, shop.path(shop.links.look(SILENCED.alert_id, "an older one"))))
