"""The page and the API of who knew what when."""

import json
import re
from html import unescape

import aiohttp
import jsonschema
import pytest
from chromium import CONTRAST, browser, needs_chromium
from page_samples import FELL, HANDLED, served

from lockstep.adapters.http.operations import openapi


@pytest.fixture
async def shop(tmp_path):
    async with served(tmp_path) as pages:
        yield pages


async def read(url: str, status: int = 200, **query: str) -> tuple[str, aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession(trust_env=False) as session,
        session.get(url, params=query) as answer,
    ):
        text = await answer.text()
        assert answer.status == status, text
        return text, answer


def words(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


async def test_the_page_of_an_alert_leads_to_its_timeline(shop):
    """There it says who was told and who acted, and can be taken along."""
    page, _ = await read(f"{shop.url}/alerts/{HANDLED.alert_id}")
    (link,) = re.findall(r'href="\.\./(timeline\?[^"]+)"', page)
    shown, _ = await read(f"{shop.url}/{unescape(link)}")
    said = words(shown)
    assert "Mail to operations-mail sent" in said
    assert "Ben took it (by a link)" in said
    assert "operations-mail by email was told" in said
    exports = [unescape(e) for e in re.findall(r'href="\./(timeline\?[^"]+as=[a-z]+)"', shown)]
    assert len(exports) == 2
    (markdown, file), (document, _) = [await read(f"{shop.url}/{e}") for e in exports]
    assert markdown.startswith("# Timeline: Stock low, product 85099B")
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert '"format": 1' in document


async def test_the_page_of_a_stretch_of_time_has_everything(shop):
    """Without a question it is the last day; times are those of the shop."""
    shown, _ = await read(f"{shop.url}/timeline")
    said = words(shown)
    assert "Times are the shop’s (Europe/London)" in said
    assert 'value="2026-11-23T03:12"' in shown
    assert "OrdersFell" in said
    assert "StockLow" in said
    backwards, _ = await read(f"{shop.url}/timeline", 400, starts="2026-11-24T03:00", ends="2026-11-24T02:00")
    assert "It has to end after it begins." in words(backwards)


async def test_the_api_says_the_same_as_the_document_says(shop):
    """By alert, and by two instants; what is asked wrongly is said."""
    text, _ = await read(f"{shop.url}/v1/timeline", alert=FELL.alert_id)
    document = openapi()
    schema = {"$ref": "#/components/schemas/Timeline", "components": document["components"]}
    jsonschema.validate(json.loads(text), schema)
    assert "muted by nights" in text
    markdown, answer = await read(f"{shop.url}/v1/timeline", format="md", **{"from": "2026-11-24T03:00:00Z"})
    assert answer.content_type == "text/markdown"
    assert "Ben took it" in markdown
    for query, status in (
        ({}, 400),
        ({"from": "yesterday"}, 400),
        ({"from": "2026-11-24T03:00:00Z", "to": "2026-11-24T02:00:00Z"}, 400),
        ({"alert": FELL.alert_id, "to": "2026-11-24T02:00:00Z"}, 400),
        ({"alert": "a-nobody"}, 404),
    ):
        await read(f"{shop.url}/v1/timeline", status, **query)


async def test_who_may_not_see_all_alerts_sees_none_of_it(tmp_path):
    """Where there is a token the page asks for it, and the API refuses."""
    async with served(tmp_path, api_token="a-token-of-sixteen-letters") as shop:
        page, _ = await read(f"{shop.url}/timeline", 401)
        assert "OrdersFell" not in page
        await read(f"{shop.url}/v1/timeline", 401, alert=FELL.alert_id)


@needs_chromium
@pytest.mark.parametrize("width", [375, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_it_can_be_read_on_a_phone(shop, tmp_path, width, dark):
    """Nothing is wider than the screen, and all of it has contrast."""
    async with browser(tmp_path / "profile") as tab:
        await tab.look(width=width, dark=dark)
        await tab.open(f"{shop.url}/timeline")
        assert await tab.value("document.documentElement.scrollWidth") <= width
        assert await tab.value(CONTRAST) >= 4.5
        assert tab.complaints == []
