"""Reports in a real browser, as mail and page: phone and desk, light and dark; a shop with much, one with nothing."""

from base64 import b64encode

import pytest
from chromium import CONTRAST, browser, needs_chromium
from report_samples import ACTIONS, NEWS, SIX, sample_shop
from shop_build import days, product, receipt, shop_of

from lockstep.adapters.charts.png_process import png
from lockstep.adapters.charts.sparkline import sparkline_drawing
from lockstep.adapters.report_views.report_html import report_document, report_mail
from lockstep.reports.cell_text import curve_name
from lockstep.reports.daily import daily
from lockstep.reports.news import AlertNews
from lockstep.reports.report_record import Report
from lockstep.reports.weekly import weekly

pytestmark = needs_chromium


def much() -> Report:
    """Sixty products with long names that run out."""
    shop = sample_shop()
    for n in range(60):
        coming = [receipt(100, f"2026-12-{3 + n % 20:02}", first="2026-12-01")]
        name = f"PRODUCT-WITH-A-VERY-LONG-NAME-{n:03}"
        shop.put(product(name, sells=1 + n % 9, stock=n % 20, price=990 + n, upto=SIX, receipts=coming))
    return daily(shop, NEWS, ACTIONS, SIX)


def unknown() -> Report:
    """Two currencies without a rate, a product without a price."""
    facts = days("2026-11-29", whole={"orders": 10, "revenue": {"EUR": 5, "USD": 9}})
    return daily(shop_of(*facts, product("A-1", sells=4, stock=0, upto=SIX), currency=""), AlertNews(), (), SIX)


REPORTS = {
    "daily": daily(sample_shop(), NEWS, ACTIONS, SIX),
    "weekly": weekly(sample_shop(), NEWS, ACTIONS, SIX),
    "much": much(),
    "unknown": unknown(),
    "empty": daily(shop_of(currency=""), AlertNews(), (), SIX),
}


def charts(report: Report) -> dict[str, tuple[str, str, str]]:
    return {
        curve_name(section, figure): (f"data:image/png;base64,{b64encode(png(drawing)).decode()}", "", "a chart")
        for section in report.sections
        for figure in section.figures
        if (drawing := sparkline_drawing(figure.curve, usual=figure.usual))
    }


@pytest.mark.parametrize("width", [375, 800])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_every_report_fits_and_can_be_read(tmp_path, width, dark):
    """Nothing is wider than the screen, all text stands out as WCAG asks for, every small chart is there, and the first
    thing that matters stands on the first screen."""
    page = tmp_path / "report.html"
    async with browser(tmp_path / "profile") as tab:
        await tab.look(width=width, dark=dark)
        for name, report in REPORTS.items():
            small = charts(report)
            mail = report_mail(report, page="https://shop.example/reports/x", charts=small)
            for what, document in (("mail", mail), ("page", report_document(report))):
                page.write_text(document)
                await tab.open(f"file://{page}")
                assert await tab.value("document.documentElement.scrollWidth") <= width, (name, what)
                assert await tab.value(CONTRAST) >= 4.5, (name, what)
                drawn = await tab.value("document.querySelectorAll('svg.spark, img.r-chart').length")
                assert drawn == len(small), (name, what)
                shown = "[...document.images].every(i => i.complete && i.naturalWidth > 0)"
                assert await tab.value(shown), (name, what)
                if report.matters:
                    first = "document.querySelector('.r-act').getBoundingClientRect().bottom"
                    assert await tab.value(first) <= 800, (name, what)
