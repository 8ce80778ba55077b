"""What `lockstep check` says of mute times, inhibitions and matchers: where, what, and the way out."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from lockstep.tools.check.check_report import check

HEAD = """\
teams:
  operations: [mail]
receivers:
  mail: {email: {to: [anna@example.com]}}
"""
RULES = """\
measures:
  stock: {last: available, of: stock.level}
rules:
  - {name: LowStock, by: [sku], teams: [operations], threshold: {measure: stock, at_most: 20}}
"""
TODAY = date(2026, 11, 25)


def said(folder: Path, routing: str) -> list[str]:
    (folder / "rules.yml").write_text(RULES)
    (folder / "routing.yml").write_text(HEAD + routing)
    faults = check([folder], now=datetime.combine(TODAY, time(), UTC)).faults
    return [str(fault).removeprefix(f"{folder}/routing.yml:") for fault in faults]


@pytest.mark.parametrize(
    ("routing", "faults"),
    [
        pytest.param(
            "routes: [{match: [team=operations], to: [team], mute: [nights]}]\nmute_times: {nights: "
            "{times: 22:00-06:00}}\n",
            [],
            id="in order",
        ),
        pytest.param(
            "routes: [{to: [team], mute: [always]}]\nmute_times: {always: {weekdays: Mon-Sun}}\n",
            [
                "5:10: warning: this route tells nothing for good, except what is critical: "
                "mute time always; "
                "change its mute or active times [LS262]"
            ],
            id="a mute time that never ends",
        ),
        pytest.param(
            "routes: [{to: [team], mute: [nights], active: [evenings], mutes_critical: true}]\n"
            "mute_times: {nights: {times: 20:00-08:00}, evenings: {times: 20:00-22:00}}\n",
            [
                "5:10: warning: this route tells nothing for good, also what is critical: its mute "
                "and active times leave "
                "no time between them; change its mute or active times [LS262]"
            ],
            id="a mute and an active time that leave nothing",
        ),
        pytest.param(
            "routes: [{to: [team], active: [past]}]\nmute_times: {past: {years: 2024}}\n",
            [
                "5:10: warning: this route tells nothing for good, except what is critical: outside of past; "
                "change its mute or active times [LS262]",
                "6:14: warning: mute time 'past' never is; change its days, or remove it [LS263]",
            ],
            id="an active time that has passed",
        ),
        pytest.param(
            "routes: [{to: [team], mute: [nights], mutes_critical: true, short_lived: skip}]\n"
            "mute_times: {nights: {times: 20:00-08:00}}\n",
            [
                "5:10: warning: what is critical and over before its mute time ends is told to nobody; "
                "remove mutes_critical, or write short_lived: tell [LS262]"
            ],
            id="a critical one that nobody ever hears of",
        ),
        pytest.param(
            "mute_times: {nights: {times: 20:00-08:00}}\n",
            [
                "5:14: warning: nothing uses mute time 'nights'; name it as a route's mute or "
                "active, or remove it [LS263]"
            ],
            id="a mute time that nothing uses",
        ),
        pytest.param(
            "routes: [{match: [team=operations], to: [team], mute: [nights], routes: [{match: [sku=A], to: [mail]}]}]\n"
            "mute_times: {nights: {weekdays: Mon-Sun}}\n",
            [
                "5:10: warning: this route tells nothing for good, except what is critical: "
                "mute time nights; "
                "change its mute or active times [LS262]"
            ],
            id="said once, and not for the routes below it",
        ),
        pytest.param(
            "mute_times: {nights: {times: 22-6, location: Europe/London}}\n",
            [
                "5:30: times '22-6' are no times of day; write one like 22:00-06:00 [LS261]",
                "5:36: 'location' is called 'zone' here; write zone: Europe/London [LS110]",
            ],
            id="as somebody writes it",
        ),
        pytest.param(
            "inhibitions: [{source: [alertname=LowStock], target: ['sku=\"\"'], equal: []}]\n",
            [
                "5:25: warning: what Alertmanager calls alertname is called rule here; write rule=LowStock [LS260]",
                '5:55: warning: sku="" is met by a label that is there and empty; for alerts '
                'without it write sku!~".*", '
                "for events that carried none sku=none [LS260]",
            ],
            id="matchers that mean something else",
        ),
        pytest.param(
            "routes: [{match: ['sku=\"\"'], to: [team]}]\n",
            [
                '5:19: warning: sku="" is met by a label that is there and empty; for alerts '
                'without it write sku!~".*", '
                "for events that carried none sku=none [LS260]"
            ],
            id="also of a route",
        ),
        pytest.param(
            "inhibitions: [{source: [rule=LowStock], target: 'sku=~['}]\n",
            [
                "5:15: 'equal' is missing; add 'equal: …' [LS111]",
                "5:49: target '[' is no pattern, missing ]: [; "
                "write one of RE2 (github.com/google/re2/wiki/Syntax), as Alertmanager has them [LS260]",
            ],
            id="an inhibition that is none",
        ),
        pytest.param(
            "inhibitions: [{source: [sku=A], target: [sku=A], equal: []}, {source: [sku=A], target: "
            "[sku=B], equal: [sku]}]\n",
            [
                "5:41: warning: source and target are the same, and what meets both is not inhibited by its like; "
                "change one of them [LS264]",
                "5:104: warning: source and target never have the same sku; remove sku from equal, "
                "or from one side [LS264]",
            ],
            id="inhibitions that hush nothing",
        ),
    ],
)
def test_said(tmp_path, routing, faults):
    """All of a file at once."""
    assert said(tmp_path, routing) == faults
