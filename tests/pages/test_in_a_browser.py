"""The pages in a real browser: without scripts, by keyboard, on a phone, in light and dark, with nothing of others."""

import pytest
from chromium import CONTRAST, browser, needs_chromium
from page_samples import ANNA, FELL, LONG_ONE, commands, served

from lockstep.response.command import Acknowledge

pytestmark = needs_chromium
TAB, ENTER = ("Tab", 9), ("Enter", 13)


async def test_woken_at_night_one_acknowledges_with_the_keyboard_alone(tmp_path):
    """On a phone's screen, without scripts: the page is opened by the mail's link, the name is written where it is
    asked for, and Enter does it. What was done is said at once; nothing was asked of anybody else, and the policy
    forbade nothing that the page needs."""
    async with served(tmp_path) as shop, browser(tmp_path / "profile") as tab:
        await tab.look(width=375, script=False)
        await tab.open(shop.path(shop.links.to("act", FELL.alert_id, FELL.episode_id)))
        await tab.press(*TAB)  # to the name
        await tab.write("Anna")
        await tab.press(*ENTER)
        await tab.until("Page.loadEventFired")
        assert "It is on its way" in await tab.text()
        assert "You are Anna" in await tab.value("document.body.textContent")
        (command,) = await commands(shop.broker)
        assert isinstance(command, Acknowledge)
        assert (command.by, command.alert_id) == ("Anna", FELL.alert_id)
        assert {address.split("/")[2] for address in tab.requests} == {shop.url.split("/")[2]}
        assert tab.complaints == []


@pytest.mark.parametrize("width", [375, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_nothing_is_wider_than_the_screen_and_all_can_be_read(tmp_path, width, dark):
    """Also a label of 110 letters; text and what is behind it differ as much as WCAG asks for, and the chart is the
    one for these colours."""
    async with served(tmp_path) as shop, browser(tmp_path / "profile") as tab:
        await tab.look(width=width, dark=dark)
        for link in (
            shop.path(shop.links.to("act", FELL.alert_id, FELL.episode_id, ANNA)),
            shop.path(shop.links.to("act", LONG_ONE.alert_id, LONG_ONE.episode_id, ANNA)),
            shop.path(shop.links.mute("OrdersFell", ANNA)),
            *(f"{shop.url}/{place}" for place in ("", "silences", "oncall", "actions", "login")),
        ):
            await tab.open(link)
            assert await tab.value("document.querySelector('nav').clientHeight") <= 64  # one line of a menu
            await tab.value("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert await tab.value("document.documentElement.scrollWidth") <= width
            assert await tab.value(CONTRAST) >= 4.5
            picture = await tab.value("(document.querySelector('img.chart') || {}).currentSrc || ''")
            assert not picture or picture.endswith("in=dark") == dark
            assert await tab.value("[...document.images].every(i => i.naturalWidth > 0)")
