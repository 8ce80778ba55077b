"""Mails in every state in a real browser: on a phone and a desk, in light and dark, with and without their chart."""

import base64

import pytest
from channel_peers import LONDON, NOW
from chromium import CONTRAST, browser, needs_chromium
from message_states import states

from lockstep.adapters.charts.curve import Chart, Point
from lockstep.adapters.charts.drawing import DARK, LIGHT, standalone
from lockstep.adapters.mail.leads import Leads
from lockstep.adapters.mail.mail_html import html_part

pytestmark = needs_chromium


def picture(dark: bool) -> str:
    """A chart as an address that needs no server."""
    points = tuple(
        Point(NOW.timestamp() - 900 * n, 62.0 if n == 0 else 20.0 + n, 20.0, 4.5, 40.0) for n in range(8, -1, -1)
    )
    at = NOW.timestamp()
    chart = Chart(
        points=points, severity="warning", value=62.0, reference=20.0, reference_is="usual", told_at=at, fired=at
    )
    svg = standalone(chart, LONDON, DARK if dark else LIGHT)
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def mail_of(name: str) -> str:
    """The mail in a state, as a browser shows it."""
    message = states()[name]
    pages = {item.episode_id: f"https://alerts.shop.example/act/{'x' * 120}" for item in message.items}
    leads = Leads(pages, {"OrderSpike": "https://alerts.shop.example/mute/x"})
    charts = {str(message.items[0].chart): (picture(False), picture(True), "62 where 20 is usual")}
    return html_part(message, charts if name != "long text" else None, leads)


@pytest.mark.parametrize("width", [375, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_mail_fits_and_can_be_read(tmp_path, width, dark):
    """Nothing is wider than the screen, all text stands out as WCAG asks for, and the chart is the one for these
    colours."""
    async with browser(tmp_path / "profile") as tab:
        await tab.look(width=width, dark=dark)
        for name in states():
            document = base64.b64encode(mail_of(name).encode()).decode()
            await tab.open(f"data:text/html;base64,{document}")
            assert await tab.value("document.documentElement.scrollWidth") <= width, name
            assert await tab.value(CONTRAST) >= 4.5, name
            shown = await tab.value(
                "[...document.images].filter(i => i.getClientRects().length).map(i => i.className).join()"
            )
            has_chart = name != "long text" and states()[name].count == 1
            assert shown == (f"chart-{'dark' if dark else 'light'}" if has_chart else "")
