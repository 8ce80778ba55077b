"""shop.yml and packs: what a shop says of itself, and which rules it switches on with which numbers."""

import json
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from lockstep.adapters.rule_files import load_packs, load_rules, pack_files, shipped_packs
from lockstep.adapters.rulebook import load_files, read_folder, take
from lockstep.rule.condition.kinds import Threshold
from lockstep.rule.language.load import load_texts
from lockstep.rule.language.shop_file import PACKS
from lockstep.shop.shop_settings import ReportSlot, ShopSettings
from lockstep.tools.backtest.replay import backtest
from lockstep.tools.check.check_report import check

PACK = """\
promise: Tells of stock.
settings:
  low: {default: 7, says: "Days of cover that are few"}
  patience: {default: 10m, says: "For so long"}
  part: {default: 50%, says: "Of the capacity"}
measures:
  orders: {count: order.placed}
rules:
  - name: LowCover
    by: [sku]
    threshold: {measure: days_of_cover, at_most: {setting: low}}
    for: {setting: patience}
  - name: Busy
    all:
      - threshold: {measure: capacity_used, at_least: {setting: part}}
      - threshold: {measure: orders, window: 1h, above: 10}
"""
OWN = "measures: {orders: {count: order.placed, where: {channel: web}}}\nrules: []\n"


def _load(shop, pack=PACK, own=OWN):
    return load_texts({"orders.yml": own, "shop.yml": shop, "packs/mine.yml": pack}, known_packs=["stock"])


def _said(shop, pack=PACK, own=OWN):
    return [str(f) for f in _load(shop, pack, own).faults]


def test_everything_that_a_shop_says():
    """Each key reaches the numbers that business measures need; money is exact."""
    loaded = _load(
        """\
currency: EUR
exchange: {USD: 0.79, JPY: 0.0061}
capacity: {per_day: 120, work_units_per_day: 150, closed: usual}
key_products: ["KEY-*"]
backorder: PRE-1
marketplaces: [amazon, ebay]
bundles: {SET-1: {A-1: 2, B-1: 1}, SET-2: [A-1, C-1]}
shelf_life: {amazon: 90d}
cost_of_goods: {amazon: 50%, "*": 0.45}
lead_time: 21d
safety: 36h
velocity_over: 14d
new_products: 7d
conversion: {over: 14d, min_visits: 100}
returns: {over: 14d, before: 28d, min_units: 10}
spend: {minimum: 49.99}
work_units: {order: 2, line: 0.1, gift_wrap: 1, special_shipping: 0}
report: {daily: "05:30", agenda: Tuesday, launch_until: 2026-12-24, to: [both], meeting: 45m}
"""
    )
    assert [str(f) for f in loaded.faults] == []
    assert loaded.plan.shop == ShopSettings(
        currency="EUR",
        exchange={"USD": Fraction(79, 100), "JPY": Fraction(61, 10_000)},
        capacity_per_day=120,
        work_per_day=150,
        closed_capacity=False,
        bundles={"SET-1": {"A-1": 2, "B-1": 1}, "SET-2": {"A-1": 1, "C-1": 1}},
        shelf_life={"amazon": 90},
        cost_of_goods={"amazon": Fraction(1, 2), "*": Fraction(9, 20)},
        key_skus=("KEY-*",),
        backorder=("PRE-1",),
        marketplaces=("amazon", "ebay"),
        lead_time_days=21,
        safety_days=1.5,
        velocity_days=14,
        new_days=7,
        conversion_days=14,
        min_sessions=100,
        return_days=14,
        return_before_days=28,
        min_return_units=10,
        min_spend=4_999,
        work={
            "order": Fraction(2),
            "line": Fraction(1, 10),
            "gift_wrap": Fraction(1),
            "special_shipping": Fraction(0),
        },
        report_at="05:30",
        agenda_on="Tue",
        launch_until="2026-12-24",
        report_to=("both",),
        meeting_minutes=45,
    )


def test_nothing_said_is_a_small_shop():
    """An empty shop.yml means the defaults, and that the shop's facts are kept."""
    loaded = _load("")
    assert ([str(f) for f in loaded.faults], loaded.plan.shop) == ([], ShopSettings())


def test_the_least_spend_is_counted_in_the_currency_s_own_minor_unit():
    """A yen has no cents."""
    assert _load("currency: JPY\nspend: {minimum: 5000}\n").plan.shop.min_spend == 5_000


def test_a_pack_is_switched_on_with_its_defaults():
    """Its rules are there, at their places, with the numbers of its settings and measures of its own."""
    loaded = _load("packs: [mine]\n")
    assert [str(f) for f in loaded.faults] == []
    low, busy = loaded.plan.rules
    assert isinstance(low.condition, Threshold)
    assert (low.condition.levels[0].breach.at_most, low.for_s, low.place) == (7, 600, "packs/mine.yml:9")
    (orders,) = [s for s in loaded.plan.series if s.name == "orders"]
    assert orders.where == ()  # not the shop's own measure of that name
    assert (busy.condition.parts[0].levels[0].breach.at_least, loaded.plan.shop.packs) == (0.5, ("mine",))


def test_a_shop_changes_the_settings_of_a_pack():
    """What it says stands where the rules use it."""
    low, busy = _load("packs: mine\nmine: {low: 10, patience: 1h, part: 90%}\n").plan.rules
    assert (low.condition.levels[0].breach.at_most, low.for_s) == (10, 3600)
    assert busy.condition.parts[0].levels[0].breach.at_least == 0.9


def test_a_pack_that_is_not_switched_on_is_not_there():
    """And so it is without a shop.yml."""
    assert _load("currency: EUR\n").plan.rules == ()
    assert load_texts({"packs/mine.yml": PACK}).plan.rules == ()


def test_a_rule_of_the_shop_s_own_stands_in_for_the_pack_s():
    """Whoever wants other words writes the rule anew."""
    own = "rules: [{name: LowCover, by: [sku], threshold: {measure: key_cover, at_most: 2}}]\n"
    loaded = _load("packs: [mine]\n", own=own)
    assert [str(f) for f in loaded.faults] == []
    assert [(r.name, r.place) for r in loaded.plan.rules] == [
        ("LowCover", "orders.yml:1"),
        ("Busy", "packs/mine.yml:13"),
    ]


def test_a_section_may_be_the_shop_s_and_a_pack_s():
    """`capacity` says what can be shipped, and how near to it is told."""
    pack = 'promise: P.\nsettings: {near: {default: 90%, says: "S"}}\nrules:\n'
    pack += "  - {name: Near, threshold: {measure: capacity_used, at_least: {setting: near}}}\n"
    texts = {"packs/capacity.yml": pack, "shop.yml": "packs: [capacity]\ncapacity: {per_day: 50, near: 80%}\n"}
    loaded = load_texts(texts)
    assert [str(f) for f in loaded.faults] == []
    assert loaded.plan.shop.capacity_per_day == 50
    assert loaded.plan.rules[0].condition.levels[0].breach.at_least == 0.8


def test_who_gets_which_report_when():
    """Each kind by itself or as the daily one; a time alone, a mapping or a list of them."""
    shop = _load(
        """\
report:
  daily: [{at: "06:00", to: both}, {at: "08:00", to: [leadership]}]
  agenda: {on: Tue, at: "09:30", to: [both]}
  monthly: "07:00"
  hourly: [both]
  launch_until: 2026-12-24
"""
    ).plan.shop
    assert (shop.report_at, shop.agenda_on) == ("06:00", "Tue")
    assert shop.report_slots == {
        "daily": (ReportSlot("06:00", ("both",)), ReportSlot("08:00", ("leadership",))),
        "weekly": (ReportSlot("09:30", ("both",)),),
        "monthly": (ReportSlot("07:00", ()),),
        "hourly": (ReportSlot("", ("both",)),),
    }
    assert _load('report: {daily: "06:30", agenda: Fri}\n').plan.shop.report_slots == {}


@pytest.mark.parametrize(
    ("shop", "said"),
    [
        ("curency: EUR", "1:1: unknown key 'curency'; did you mean 'currency'? [LS110]"),
        ("promotion: {}", "1:1: unknown key 'promotion'; did you mean 'promotions'? [LS110]"),
        ("currency: euro", "1:11: currency 'euro' is no currency; write three letters like EUR or GBP [LS292]"),
        ("exchange: {USD: 0}", "1:17: USD '0' is no rate; write what one of it is worth, like 0.79 [LS292]"),
        ("exchange: {USD: -1}", "1:17: USD '-1' is no number of 0 or more; write one like 0.79 [LS292]"),
        ("capacity: {perday: 9}", "1:12: unknown key 'perday'; did you mean 'per_day'? [LS110]"),
        ("lead_time: 14", "1:12: lead_time '14' has no unit; write 14d [LS104]"),
        ("velocity_over: 36h", "1:16: velocity_over '36h' are no whole days; write 1d to 91d [LS292]"),
        ("report: {daily: 6}", "1:17: daily '6' is no time within a day; write it like \"21:15\" [LS107]"),
        ("report: {agenda: x}", "1:18: agenda 'x' is no weekday; write Mon, Tue, Wed, Thu, Fri, Sat or Sun [LS292]"),
        (
            "report: {launch_until: soon}",
            "1:24: launch_until 'soon' is no day; write one like 2026-12-24, or 2026-12-24 18:00 [LS292]",
        ),
        (
            "report: {agenda: [{on: Mon}, {on: Tue}]}",
            "1:18: there is one agenda a week; write one 'on' for all who get it [LS292]",
        ),
        ("report: {daily: {at: 6}}", "1:22: at '6' is no time within a day; write it like \"21:15\" [LS107]"),
        ("report: {meeting: 1m}", "1:19: meeting '1m' is no length of a meeting; write 5m to 8h, like 45m [LS292]"),
        ("packs: [min]", "1:9: there is no pack 'min'; did you mean 'mine'? [LS293]"),
        ("packs: [a, mine]", "1:9: there is no pack 'a'; known are stock [LS293]"),
        (
            "packs: [mine]\nmine: {lw: 3}",
            "2:8: the pack 'mine' has no setting 'lw'; did you mean 'low'? [LS293]",
        ),
        (
            "packs: [mine]\nmine: {low: 3h}",
            "2:13: 'low' of the pack 'mine' is a number, '3h' is not; write one like 7 [LS293]",
        ),
        ("packs: [mine]\nmine: {low: [3]}", "2:13: 'low' of the pack 'mine' is one value; write one like 7 [LS293]"),
        (
            "mine: {low: 3}",
            "1:1: warning: the pack 'mine' is not switched on, so this says nothing; write packs: [mine] [LS293]",
        ),
        ("- currency", "1:1: the file must be keys and values; "),
    ],
)
def test_what_is_wrong_in_it_is_said_with_its_place(shop, said):
    """Where, what, the way out."""
    (fault,) = _said(shop)
    assert fault.startswith(f"shop.yml:{said}")


def test_a_slip_in_a_section_of_shop_and_pack_may_be_of_either():
    """`capacity` holds the shop's own words and the settings of the pack of that name."""
    shop = "packs: [capacity]\ncapacity: {perday: 9, lw: 3}\n"
    said = [str(f) for f in load_texts({"shop.yml": shop, "packs/capacity.yml": PACK}).faults]
    assert said == [
        "shop.yml:2:12: the pack 'capacity' has no setting 'perday'; did you mean 'per_day'? [LS293]",
        "shop.yml:2:23: the pack 'capacity' has no setting 'lw'; did you mean 'low'? [LS293]",
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("setting: low}", "setting: lo}", "11:50: rule 'LowCover': unknown setting 'lo'; did you mean 'low'? [LS293]"),
        ("promise: Tells of stock.\n", "", "1:1: 'promise' is missing; add 'promise: …' [LS111]"),
        ("{default: 7, says", "{defalt: 7, says", "3:9: unknown key 'defalt'; did you mean 'default'? [LS110]"),
        (
            "for: {setting: patience}",
            "for: 5m",
            "4:3: warning: no rule uses the setting 'patience'; "
            "write {setting: patience} where its value belongs [LS293]",
        ),
    ],
)
def test_what_is_wrong_in_a_pack_is_said_with_its_place(old, new, said):
    """As in any rule file."""
    assert f"packs/mine.yml:{said}" in _said("packs: [mine]", PACK.replace(old, new))


def test_only_packs_have_settings():
    """Other files have variables."""
    own = "rules: [{name: A, threshold: {measure: room_left, at_most: {setting: low}}}]\n"
    assert _said("", own=own) == [
        "orders.yml:1:60: rule 'A': only a pack has settings; write the number, or a variable: $name [LS293]"
    ]


def test_a_bad_key_costs_only_itself():
    """Who starts with a slip in shop.yml keeps the rest of it, and the packs."""
    plan = _load("currency: euro\ncapacity: {per_day: 50}\npacks: [mine]\n").plan
    assert (plan.shop.currency, plan.shop.capacity_per_day, len(plan.rules)) == ("", 50, 2)


@pytest.mark.parametrize(
    ("shop", "waits"),
    [
        pytest.param("currency: euro\nreport: {daily: '07:00'}\n", False, id="what it says of reports is right"),
        pytest.param("report: {daily: 25 o'clock}\n", True, id="it is not"),
        pytest.param("report: {dialy: '07:00'}\n", True, id="a slip in a key of it"),
        pytest.param("report: {daily: '07:00'\ncurrency: EUR\n", True, id="no YAML"),
        pytest.param("[report]\n", True, id="no keys"),
    ],
)
def test_reports_wait_for_a_file_that_says_when(shop, waits):
    """Who starts with a shop.yml that cannot be read has no reports at times that nobody asked for."""
    reads = "rules: [{name: A, threshold: {measure: room_left, at_most: 0}}]\n"
    plan = load_texts({"orders.yml": reads, "shop.yml": shop}).plan
    assert plan.shop.reports_wait is waits
    assert not load_texts({"orders.yml": reads}).plan.shop.reports_wait


# ---- on disk and in versions -----------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "orders.yml").write_text("rules: [{name: A, threshold: {measure: room_left, at_most: 0}}]\n")
    (tmp_path / "shop.yml").write_text("packs: [stock]\nstock: {low_cover: 9}\n")
    return tmp_path


def test_a_shipped_pack_is_switched_on_in_one_line(shop):
    """Nothing has to be copied."""
    assert [str(f) for f in check([shop]).faults] == []
    rules = {r.name: r for r in load_rules(shop).plan.rules}
    assert rules["LowCover"].place.startswith(f"{shop}/packs/stock.yml:")
    assert rules["LowCover"].condition.levels[0].breach.at_most == 9


def test_a_pack_of_the_shop_s_own_folder_wins(shop):
    """Who edits a copy has the copy."""
    (shop / "packs").mkdir()
    (shop / "packs" / "stock.yml").write_text(
        PACK.replace("low:", "low_cover:").replace("setting: low", "setting: low_cover")
    )
    assert {r.name for r in load_rules(shop).plan.rules} == {"A", "LowCover", "Busy"}
    assert pack_files(shop)["stock"] == shop / "packs" / "stock.yml"


def test_packs_travel_in_versions(shop):
    """A worker with another program judges by the same texts."""
    files = read_folder(shop)
    assert list(files) == ["orders.yml", "shop.yml", "packs/stock.yml"]
    assert files["packs/stock.yml"] == shipped_packs()["stock"].read_text()
    loaded = load_files(files, Path("elsewhere"))
    assert (loaded.plan.shop.packs, [str(f) for f in loaded.faults]) == (("stock",), [])
    assert {r.place.rpartition(":")[0] for r in loaded.plan.rules} == {
        "elsewhere/orders.yml",
        "elsewhere/packs/stock.yml",
    }


def test_a_bad_edit_of_shop_yml_is_refused_and_the_packs_stay(shop):
    """What was in force stays, and whoever edited is told where it is wrong."""
    good = read_folder(shop)
    (shop / "shop.yml").write_text("packs: [stok]\n")
    taken = take(good, read_folder(shop), shop)
    assert taken.files["shop.yml"] == good["shop.yml"]
    assert [str(f).removeprefix(f"{shop}/") for f in taken.refused["shop.yml"]] == [
        "shop.yml:1:9: there is no pack 'stok'; did you mean 'stock'? [LS293]"
    ]
    assert {r.name for r in load_files(taken.files, shop).plan.rules} >= {"A", "LowCover"}


def test_a_bad_edit_of_a_pack_is_refused_by_its_name(shop):
    """Not by that of a file of the same name beside shop.yml."""
    (shop / "packs").mkdir()
    pack = shop / "packs" / "stock.yml"
    pack.write_text(shipped_packs()["stock"].read_text())
    (shop / "stock.yml").write_text("measures: {stock: {last: available, of: stock.level}}\n")
    good = read_folder(shop)
    pack.write_text(pack.read_text().replace("days_of_cover", "days_of_covr"))
    taken = take(good, read_folder(shop), shop)
    assert taken.refused.keys() == {"packs/stock.yml"}
    assert taken.files == good


def test_the_list_of_packs(shop):
    """All that could be switched on, with what is in force."""
    known, on = load_packs(shop)
    stock = next(pack for pack in known if pack.name == "stock")
    assert (on, stock.promise != "", stock.rules[:1]) == ({"stock"}, True, ("LowCover",))
    (low,) = [s for s in stock.settings if s.name == "low_cover"]
    assert (low.value, low.default, low.is_changed) == (9, 7, True)


def test_the_pack_of_stock_tells_of_a_product_that_runs_out(shop):
    """Ten a day are sold, and what is left falls from 200 to below nine days of it: once, in both teams' words."""
    start, events = datetime(2026, 11, 1, 9, tzinfo=UTC), []
    for day in range(16):
        at = (start + timedelta(days=day)).isoformat().replace("+00:00", "Z")
        lines = [{"sku": "A-1", "quantity": 10, "unit_price": 5}]
        order = {"order_id": f"o-{day}", "total": 50, "lines": lines}
        events.append({"id": f"o{day}", "type": "order.placed", "time": at, "data": order})
        level = {"sku": "A-1", "available": 200 - 10 * day}
        events.append({"id": f"s{day}", "type": "stock.level", "time": at, "data": level})
    file = shop / "events.ndjson"
    file.write_text("".join(json.dumps({"specversion": "1.0", "source": "/t", **e}) + "\n" for e in events))
    (shop / "orders.yml").unlink()
    replay = backtest(load_rules(shop).plan, [file], zone=ZoneInfo("UTC"))
    told = [t for t in replay.transitions if t.rule == "LowCover"]
    assert [(t.state.value, t.labels) for t in told] == [("firing", {"sku": "A-1"})]
    assert 0 < told[0].value <= 9


@pytest.mark.parametrize("name", shipped_packs())
def test_a_shipped_pack_is_clean(name):
    """Its head says what it promises, its rules have words for both teams and a test beside them."""
    path = shipped_packs()[name]
    assert name in PACKS
    assert [str(f) for f in check([path]).faults] == []
    rules = load_rules(path).plan.rules
    assert rules
    assert all({"marketing", "operations"} <= rule.say.keys() for rule in rules)
