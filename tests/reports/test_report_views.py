"""A report as people see it: everywhere the same content, and nothing that a label says becomes markup."""

import re
from functools import cache
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from report_samples import ACTIONS, NEWS, SIX, line, sample_shop
from shop_build import history, product, shop_of

from lockstep.adapters.charts.sparkline import sparkline
from lockstep.adapters.report_views.report_blocks import LONGEST_ALL, LONGEST_BLOCK, MOST_BLOCKS, report_blocks
from lockstep.adapters.report_views.report_html import report_document, report_mail, report_page
from lockstep.reports.cell_text import cell_text, change_text
from lockstep.reports.daily import daily
from lockstep.reports.news import AlertNews
from lockstep.reports.renderings.report_markdown import markdown
from lockstep.reports.renderings.report_words import bars, groups
from lockstep.reports.report_body import report_document as report_document_of
from lockstep.reports.report_body import report_in
from lockstep.reports.report_record import Report, Section, Table
from lockstep.reports.weekly import weekly
from lockstep.response.standing import Action

BERLIN = ZoneInfo("Europe/Berlin")
EVIL = "<img src=x onerror=alert(1)>*|`@channel`[a](http://x)"


@cache
def sample(kind: str) -> Report:
    return {"daily": daily, "weekly": weekly}[kind](sample_shop(), NEWS, ACTIONS, SIX)


def words(html: str) -> str:
    """What a person reads."""
    return unescape(re.sub(r"<[^>]*>", " ", re.sub(r"<(style|title)>.*?</\\1>", "", html, flags=re.DOTALL)))


def blocks_text(report: Report, **more: Any) -> str:
    texts = []
    for block in report_blocks(report, **more):
        texts += [block["text"]["text"]] if "text" in block else [e["text"] for e in block["elements"]]
    return "\n".join(texts)


@pytest.mark.parametrize("kind", ["daily", "weekly"])
def test_mail_page_chat_and_markdown_say_the_same(kind):
    """Every matter, number and row of the report is in each of them."""
    report = sample(kind)
    seen = {
        "mail": words(report_mail(report)),
        "page": words(report_page(report)),
        "chat": blocks_text(report),
        "markdown": markdown(report).replace("\\", ""),
    }
    for place, text in seen.items():
        flat = " ".join(text.split())
        for matter in report.matters:
            assert " ".join(matter.act.split()) in flat, place
        for section in report.sections:
            for figure in section.figures:
                assert cell_text(figure.value, figure.unit, BERLIN) in flat, (place, figure.name)
            for table in section.tables:
                for row in table.rows:
                    assert str(row[0]) in flat or cell_text(row[0], table.columns[0].unit, BERLIN) in flat, place


def evil_report() -> Report:
    shop = shop_of(
        *history(weeks=8, whole={"orders": 10, "revenue": 10_000, "themes": {EVIL: 3}}),
        product(EVIL, sells=4, stock=0, price=100, upto=SIX),
    )
    news = AlertNews(open=(line("1", "Rule", "critical", EVIL, "2026-11-29T14:05:00Z", labels={"sku": EVIL}),))
    return daily(shop, news, (Action(id="a", text=EVIL, created_at="2026-11-20T10:00:00Z"),), SIX)


def test_what_a_label_says_is_no_markup():
    report = evil_report()
    for html in (report_mail(report), report_page(report), report_document(report)):
        assert "<img" not in html
        assert "&lt;img" in html
    text = markdown(report)
    assert "\\<img" in text
    assert re.search(r"(?<!\\)\[a\]", text) is None
    chat = blocks_text(report)
    assert "<img" not in chat
    assert "@channel" not in chat


def test_a_page_has_no_style_in_its_tags():
    """Its policy takes none."""
    assert " style=" not in report_page(sample("daily"))
    assert " style=" in report_mail(sample("daily"))


def test_blocks_keep_to_the_limits_of_slack():
    """However much there is; what found no place is said, with where it is."""
    report = sample("daily")
    rows = tuple((f"SKU-{n}", "x" * 300) for n in range(200))
    columns = sample("daily").sections[2].tables[0].columns[:2]
    table = Table(name="t", title="Many", columns=columns, rows=rows[:40])
    many = msgspec.structs.replace(
        report, sections=tuple(Section(name=f"s{n}", title=f"Part {n}", tables=(table,)) for n in range(60))
    )
    blocks = report_blocks(many)
    assert len(blocks) <= MOST_BLOCKS
    texts = [b["text"]["text"] for b in blocks if "text" in b]
    assert max(map(len, texts)) <= LONGEST_BLOCK
    assert sum(map(len, texts)) <= LONGEST_ALL
    assert any("found no place here; the mail and `lockstep report` have the rest" in text for text in texts)


def test_slack_has_what_to_do_and_leads_to_the_page():
    blocks = report_blocks(sample("daily"), page="https://shop.example/reports/daily/2026-11-30")
    texts = [b["text"]["text"] for b in blocks if "text" in b]
    assert texts[1] == f"*{sample('daily').headline}*"
    assert [text.partition("\n")[0] for text in texts[2:4]] == ["*Marketing today:*", "*Operations today:*"]
    assert "https://shop.example/reports/daily/2026-11-30" in texts[4]
    assert len(blocks) == 6


@pytest.mark.parametrize("team", ["marketing", "operations"])
def test_what_ones_own_team_does_comes_first_and_in_bold(team):
    """The other one's is there too, small."""
    report = sample("daily")
    own, other, *_ = groups(report, (team,))
    assert (own.who, own.is_own, other.is_own) == (team, True, False)
    assert 1 <= len(own.tasks) <= 3
    mail, chat = report_mail(report, teams=(team,)), blocks_text(report, teams=(team,))
    assert mail.index(f'r-team-{team}"') < mail.index(f'r-team-{other.who}"')
    assert f"*{own.tasks[0].act}*" in chat
    assert other.tasks[0].act in chat
    assert f"*{other.tasks[0].act}*" not in chat
    assert markdown(report, (team,)).index(own.head) < markdown(report, (team,)).index(other.head)


def test_a_report_that_an_older_version_kept_is_read():
    """It has matters, and nothing that is to be done by team."""
    document = report_document_of(sample("daily"))
    del document["data"]["todo"]
    for matter in document["data"]["matters"]:
        del matter["also"]
    report = report_in(document)
    assert report is not None
    assert report.todo == ()
    operations = next(group for group in groups(report) if group.who == "operations")
    assert operations.tasks[0].act in [matter.act for matter in report.matters]


@pytest.mark.parametrize(
    ("value", "other", "unit", "said"),
    [
        pytest.param(110, 100, "", "+10%", id="more"),
        pytest.param(90, 100, "", "-10%", id="less"),
        pytest.param(100, 100, "", "the same", id="the same"),
        pytest.param(900, 100, "", "9x", id="many times"),
        pytest.param(5, 0, "", "", id="nothing to compare with"),
        pytest.param(0.05, 0.04, "%", "+1 point", id="a share in points"),
        pytest.param(None, 100, "", "", id="not known"),
    ],
)
def test_a_change_in_words(value, other, unit, said):
    assert change_text(value, other, unit) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        pytest.param(123_456, "money EUR", "1,235 EUR", id="money is of minor units"),
        pytest.param(1_050, "money EUR", "10.50 EUR", id="with its cents below 100"),
        pytest.param(1_050, "money JPY", "1,050 JPY", id="a currency without cents"),
        pytest.param(None, "", "not known", id="nothing"),
        pytest.param(0.031, "%", "3.1%", id="a share"),
        pytest.param(1, "days", "1 day", id="one"),
        pytest.param("2026-11-30", "day", "Mon 30 Nov", id="a day"),
        pytest.param("2026-11-30T05:00:00Z", "moment", "Mon 30 Nov 06:00", id="an instant in the shop's zone"),
    ],
)
def test_a_value_in_words(value, unit, said):
    assert cell_text(value, unit, BERLIN) == said


def test_a_small_chart_has_a_gap_where_nothing_is_known():
    assert bars((1, None, 2)) == "▅ █"
    assert bars((None, 1)) == ""
    svg = sparkline((1, 2, None, 4), usual=2.5, alt="Orders")
    assert svg.count("spark-line") == 2
    assert 'aria-label="Orders"' in svg
    assert sparkline((None, 3)) == ""
