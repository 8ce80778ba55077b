"""Which files are taken, which are refused, and which versions a broker remembers."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from lockstep.adapters.rulebook import CAMPAIGNS, RuleBook, content_id, read_folder, take
from lockstep.adapters.stream import open_broker
from lockstep.errors import RuleError
from lockstep.ports import TopicSpec
from lockstep.rule.announced_campaigns import AnnouncedCampaign
from lockstep.rule.condition.levels import levels_of
from lockstep.rule.versions import changes_in_words
from lockstep.settings import Settings

MEASURES = "measures:\n  stock: {last: available, of: stock.level}\n  orders: {count: order.placed}\n"
LOW = "rules:\n  - {name: LowStock, by: [sku], threshold: {measure: stock, at_most: 20}}\n"
LOWER = LOW.replace("20", "25")
MANY = "rules:\n  - {name: Many, threshold: {measure: orders, window: 1h, at_least: 100}}\n"
BAD = LOW.replace("at_most", "at_mst")
BY_SKU = "rules:\n  - {name: Few, by: [sku], threshold: {measure: stock, at_most: {file: table.csv, column: n}}}\n"
TABLE = "sku,n\nS1,20\n*,5\n"
GOOD = {"measures.yml": MEASURES, "stock.yml": LOW, "orders.yml": MANY}
WITH_TABLE = {**GOOD, "few.yml": BY_SKU, "table.csv": TABLE}


@pytest.mark.parametrize(
    ("new", "taken", "refused"),
    [
        pytest.param({"stock.yml": LOWER}, {"stock.yml": LOWER}, [], id="a good edit"),
        pytest.param({"stock.yml": BAD}, {}, ["stock.yml"], id="a bad one leaves the last good version"),
        pytest.param(
            {"stock.yml": BAD, "orders.yml": MANY.replace("100", "90")},
            {"orders.yml": MANY.replace("100", "90")},
            ["stock.yml"],
            id="a good one beside a bad one is taken",
        ),
        pytest.param({"new.yml": BAD}, {"new.yml": None}, ["new.yml"], id="a bad new file"),
        pytest.param({"orders.yml": None}, {"orders.yml": None}, [], id="a removed file"),
        pytest.param(
            {"measures.yml": "measures:\n  orders: {count: order.placed}\n"},
            {},
            ["measures.yml"],
            id="what others need may not go",
        ),
        pytest.param({"routing.yml": "teams: {a: [nobody]}\n"}, {"routing.yml": None}, ["routing.yml"], id="routing"),
        pytest.param({"stock.yml": "\udcff"}, {}, ["stock.yml"], id="no UTF-8"),
        pytest.param({"table.csv": "sku,n\nS1,25\n"}, {"table.csv": "sku,n\nS1,25\n"}, [], id="a table alone"),
        pytest.param({"table.csv": "sku,n\nS1,many\n"}, {}, ["table.csv"], id="a bad table leaves the last good one"),
        pytest.param(
            {"table.csv": "sku,n\nS1,many\n", "stock.yml": LOWER},
            {"stock.yml": LOWER},
            ["table.csv"],
            id="a good file beside a bad table is taken",
        ),
        pytest.param(
            {"table.csv": "sku,m\nS1,20\n"}, {}, ["table.csv"], id="a table that lost what a rule reads is refused"
        ),
        pytest.param({"table.csv": None}, {}, ["table.csv"], id="so is its removal"),
        pytest.param({"stock.yml": ""}, {"stock.yml": ""}, [], id="an emptied file beside others"),
        pytest.param(
            {"stock.yml": "", "orders.yml": None}, {}, ["orders.yml", "stock.yml"], id="no rule would be left anywhere"
        ),
        pytest.param(
            {"stock.yml": BAD, "orders.yml": None}, {"orders.yml": None}, ["stock.yml"], id="a last good one is one"
        ),
    ],
)
def test_each_file_on_its_own(new, taken, refused):
    """What is taken together with what stays never has a fault."""
    good = WITH_TABLE if "table.csv" in new else GOOD
    folder = {k: v for k, v in {**good, **new}.items() if v is not None}
    found = take(good, folder, Path("rules"))
    assert found.files == {k: v for k, v in {**good, **taken}.items() if v is not None}
    assert sorted(found.refused) == refused
    assert all(str(f).startswith("rules/") for faults in found.refused.values() for f in faults)


@pytest.fixture
async def broker(tmp_path):
    opened = open_broker(Settings(broker=f"sqlite:///{tmp_path}/x.db"), clock=lambda: datetime.now(UTC))
    await opened.start()
    await opened.declare([TopicSpec("lockstep.rules", 1, compacted=True)])
    yield opened
    await opened.stop()


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8", "surrogateescape")
    return folder


async def test_workers_agree(broker, tmp_path):
    """What one proposes all read; a folder that lags behind proposes nothing, until somebody asks for it."""
    now = datetime(2026, 1, 14, 12, tzinfo=UTC)
    clock = [now]
    one = RuleBook(broker, write(tmp_path / "one", GOOD), clock=lambda: clock[0])
    two = RuleBook(broker, write(tmp_path / "two", GOOD), clock=lambda: clock[0])
    await one.begin()
    await two.begin()
    assert one.current.id == two.current.id == content_id(GOOD)
    write(tmp_path / "one", {"stock.yml": LOWER})
    assert await one.propose(600) == ["LowStock: at_most 20 → 25"]
    assert await two.refresh()
    assert two.current.since_s == 600
    assert [(r.name, r.since_s, r.until_s) for r in two.loaded()[0].rules if r.name == "LowStock"] == [
        ("LowStock", None, 600),
        ("LowStock", 600, None),
    ]
    assert await two.propose(660) == []
    assert await two.propose(660, again=True) == ["LowStock: at_most 25 → 20"]
    await one.refresh()
    clock[0] = now + timedelta(hours=2)
    late = RuleBook(broker, tmp_path / "one", clock=lambda: clock[0])
    await late.begin()
    assert [(r.name, r.since_s) for r in late.loaded()[0].rules] == [("Many", None), ("LowStock", None)]
    assert [r.place for r in late.loaded()[0].rules] == [f"{tmp_path}/one/{f}:2" for f in ("orders.yml", "stock.yml")]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param("name: Low, was: LowStock", ["LowStock: now called Low"], id="a new name"),
        pytest.param("name: Low, was: [Old, LowStock]", ["LowStock: now called Low"], id="one of several"),
        pytest.param("name: Low", ["LowStock: removed", "Low: new"], id="another rule"),
        pytest.param(
            "name: Low, was: LowStock, for: 5m", ["LowStock: now called Low", "Low: for none → 5m"], id="and edited"
        ),
    ],
)
def test_a_new_name_is_said_as_one(new, expected):
    """A rule that says what it was called was not removed."""
    assert changes_in_words({"r.yml": LOW}, {"r.yml": LOW.replace("name: LowStock", new)}) == expected


async def test_an_edit_is_undone_by_saving_what_stood_before(broker, tmp_path):
    """The folder that was edited goes back, also from a fault; one that lags behind, or a restart, does not."""
    clock = lambda: datetime(2026, 1, 14, 12, tzinfo=UTC)  # noqa: E731 # a clock that stands still
    folder = write(tmp_path / "one", GOOD)
    book = RuleBook(broker, folder, clock=clock)
    await book.begin()
    assert await book.propose(0) == []
    write(folder, {"stock.yml": LOWER})
    assert await book.propose(600) == ["LowStock: at_most 20 → 25"]
    write(folder, GOOD)
    assert await book.propose(660) == ["LowStock: at_most 25 → 20"]
    write(folder, {"stock.yml": BAD})
    assert await book.propose(720) == []
    write(folder, {"stock.yml": LOWER})
    assert await book.propose(780) == ["LowStock: at_most 20 → 25"]

    lags = RuleBook(broker, write(tmp_path / "two", {**GOOD, "stock.yml": LOWER}), clock=clock)
    await lags.begin()
    assert await lags.propose(840) == []
    write(folder, {"stock.yml": LOW.replace("20", "30")})
    assert await book.propose(840) == ["LowStock: at_most 25 → 30"]
    write(tmp_path / "two", GOOD)
    assert await lags.propose(900) == []
    again = RuleBook(broker, write(tmp_path / "two", {"stock.yml": LOWER}), clock=clock)
    await again.begin()
    assert await again.propose(900) == []


async def test_a_folder_that_is_in_order_again_refuses_nothing(broker, tmp_path):
    """Mended to what others have brought into force meanwhile, or to what was in force before."""
    clock = lambda: datetime(2026, 1, 14, 12, tzinfo=UTC)  # noqa: E731 # a clock that stands still
    one = RuleBook(broker, write(tmp_path / "one", GOOD), clock=clock)
    two = RuleBook(broker, write(tmp_path / "two", GOOD), clock=clock)
    await one.begin()
    await two.begin()
    assert not two.has_looked
    for brought in (LOWER, LOW.replace("20", "30")):
        write(tmp_path / "two", {"stock.yml": BAD})
        assert await two.propose(600) == []
        assert list(two.refused) == ["stock.yml"]
        write(tmp_path / "one", {"stock.yml": brought})
        await one.propose(600)
        write(tmp_path / "two", {"stock.yml": LOWER})
        assert await two.propose(660) == []
        assert (two.refused, two.has_looked) == ({}, True)


async def test_a_fault_at_the_first_start_is_not_in_order(broker, tmp_path):
    """There is no better version of the file: what is right in it is in force, and it is said until it is mended."""
    bad = GOOD | {"stock.yml": BAD + LOWER.replace("rules:\n", "").replace("LowStock", "Lower")}
    folder = write(tmp_path, bad)
    book = RuleBook(broker, folder, clock=lambda: datetime(2026, 1, 14, 12, tzinfo=UTC))
    await book.begin()
    await book.propose(0)
    assert ([*book.refused], [r.name for r in book.rules_in_force()]) == (["stock.yml"], ["Many", "Lower"])
    write(folder, {"orders.yml": MANY.replace("100", "90")})
    for _ in range(2):
        await book.propose(60)
        assert [*book.refused] == ["stock.yml"]
    write(folder, GOOD)
    await book.propose(120)
    assert (book.refused, [r.name for r in book.rules_in_force()]) == ({}, ["Many", "LowStock"])


async def test_a_table_travels_with_the_rules(broker, tmp_path):
    """Saving it alone is a version; a worker that has another table, or none, judges by the one that was announced."""
    clock = lambda: datetime(2026, 1, 14, 12, tzinfo=UTC)  # noqa: E731 # a clock that stands still
    one = RuleBook(broker, write(tmp_path / "one", WITH_TABLE), clock=clock)
    await one.begin()
    write(tmp_path / "one", {"table.csv": TABLE.replace("20", "25")})
    assert await one.propose(600) == ["Few: table.csv: S1 20 → 25"]
    two = RuleBook(broker, write(tmp_path / "two", GOOD), clock=clock)
    await two.begin()
    few = [r for r in two.loaded()[0].rules if r.name == "Few"]
    bounds = [levels_of(r.condition, {"sku": "S1"})[0].breach.at_most for r in few]
    assert list(zip([(r.since_s, r.until_s) for r in few], bounds, strict=True)) == [
        ((None, 600), 20),
        ((600, None), 25),
    ]


async def test_a_bad_folder_at_start(broker, tmp_path):
    """Without a good version there is nothing to go on with; with one it stays in force."""
    bad = write(tmp_path / "bad", {"stock.yml": BAD})
    clock = lambda: datetime(2026, 1, 14, 12, tzinfo=UTC)  # noqa: E731 # a clock that stands still
    with pytest.raises(RuleError, match="no rule that can be used"):
        await RuleBook(broker, bad, clock=clock).begin()
    await RuleBook(broker, write(tmp_path / "good", GOOD), clock=clock).begin()
    book = RuleBook(broker, bad, clock=clock)
    await book.begin()
    assert len(book.loaded()[0].rules) == 2
    assert await book.propose(0) == []
    assert "stock.yml" in book.refused


SPIKE = """
measures: {orders: {count: order.placed}}
rules:
  - name: Spike
    spike: {measure: orders, window: 1h, baseline: {same_time_of_week: 4}, above: 2x, at_least: 20, usual_at_least: 5}
"""


def told_at(at: datetime, name: str = "SALE", day: int = 20, *, cancelled: bool = False) -> AnnouncedCampaign:
    return AnnouncedCampaign(name, date(2026, 1, day), date(2026, 1, day), cancelled, int(at.timestamp()))


def test_a_shop_that_cannot_be_read_keeps_its_packs(tmp_path):
    """Which packs it switches on is not known then: they stay with its last good text, and one file is refused."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "shop.yml").write_text("currency: EUR\npacks: [stock]\n")
    good = read_folder(folder)
    assert "packs/stock.yml" in good
    (folder / "shop.yml").write_text("currency: [EUR\npacks: [stock]\n")
    taken = take(good, read_folder(folder), folder)
    assert (taken.files, list(taken.refused)) == (good, ["shop.yml"])


async def test_announced_campaigns_are_a_version_from_their_border_on(broker, tmp_path):
    """Not before its time is near, once, kept over edits of the folder and for the next worker; and a folder that lags
    behind does not come back by it."""
    noon = datetime(2026, 1, 14, 12, tzinfo=UTC)
    second = int(noon.timestamp())
    book = RuleBook(broker, write(tmp_path / "one", {"r.yml": SPIKE}), clock=lambda: noon)
    await book.begin()
    await book.propose(0)
    told = [told_at(noon)]
    assert not await book.propose_campaigns(told, lambda: second + 60)  # it counts from 12:15 on
    assert await book.propose_campaigns(told, lambda: second + 14 * 60)
    assert book.current is not None
    assert book.current.since_s == second + 15 * 60
    assert not await book.propose_campaigns(told, lambda: second + 16 * 60)
    plan, _ = book.loaded()
    before, after = plan.rules
    assert (before.until_s, after.since_s) == (second + 15 * 60, second + 15 * 60)
    assert plan.days is not None
    assert plan.days.kinds(date(2026, 1, 20)) == {"campaign"}

    lags = RuleBook(broker, write(tmp_path / "two", {"r.yml": SPIKE}), clock=lambda: noon)
    await lags.begin()
    assert await lags.propose(0) == []
    write(tmp_path / "one", {"r.yml": SPIKE.replace("2x", "3x")})
    assert await book.propose(second + 1200) == ["Spike: above 2x → 3x"]
    assert CAMPAIGNS in book.current.files
    assert await lags.propose(second + 1260) == []
    moved = [*told, told_at(noon, "OTHER", 22)]
    assert await book.propose_campaigns(moved, lambda: second + 1800)
    assert book.current.since_s == second + 1800  # heard of too late: where the judges stand
    await lags.refresh()
    assert await lags.propose(second + 1860) == []
    assert lags.current is not None
    assert "3x" in lags.current.files["r.yml"]
    gone = [*moved, told_at(noon + timedelta(hours=1), cancelled=True)]
    assert await book.propose_campaigns(gone, lambda: second + 7200)
    plan, _ = book.loaded()
    assert plan.days is not None
    assert [plan.days.kinds(date(2026, 1, day)) for day in (20, 22)] == [set(), {"campaign"}]
