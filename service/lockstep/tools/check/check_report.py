"""`lockstep check`: every fault of every file at once."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo

from lockstep.adapters.convert.mapping import read_mapping
from lockstep.adapters.rule_files import (
    calendar_file,
    load_routing,
    load_rules,
    packs_of,
    read_document,
    rule_files,
    shop_file,
)
from lockstep.adapters.sql.source_file import FILE, load_sources
from lockstep.calendar import UTC
from lockstep.notify.oncall.schedule_form import gap_faults
from lockstep.notify.quiet.quiet_faults import mute_faults
from lockstep.notify.receivers import CHANNELS
from lockstep.notify.route import Routing, unmet_matchers
from lockstep.notify.self_alerts import own_rules
from lockstep.rule.condition.kinds import Rule
from lockstep.rule.language.lint.outdated import past_their_day
from lockstep.rule.language.lint.warnings import out_of_reach
from lockstep.shop.shop_settings import ShopSettings
from lockstep.yaml.document import Fault, did_you_mean

_MAPPING = re.compile(rb"^mapping\s*:", re.MULTILINE)


@dataclass(frozen=True)
class CheckReport:
    """faults in the order of files and lines; how many rules and mappings can be used, in how many files."""

    faults: tuple[Fault, ...]
    rules: int
    files: int
    mappings: int = 0

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(f for f in self.faults if f.level == "error")


def check(paths: Sequence[Path], *, kept_s: int | None = None, now: datetime | None = None) -> CheckReport:
    """Look at rule files and folders, at routing and sources beside them, and at mapping files.

    kept_s: how long events are kept, where that is known. now: in the shop's time zone, to find expired rules, when
    nobody will be on call, and mute times that never are or never end.
    """
    faults: list[Fault] = [
        Fault(str(p), 1, 1, "there is no such file", "check the path", "LS101") for p in paths if not p.exists()
    ]
    existing = [p for p in paths if p.exists()]
    faults += [
        Fault(str(p), 1, 1, "no rule file in this folder", "name the folder that holds your *.yml", "LS101", "warning")
        for p in existing
        if p.is_dir() and not rule_files([p]) and not ((shop := shop_file([p])) and packs_of(shop))
    ]
    mapping_files = [path for path in rule_files(existing) if _is_mapping(path)]
    for path in mapping_files:
        faults += _mapping_faults(path)
    rule_paths = [f for f in rule_files(existing) if f not in mapping_files] if mapping_files else existing
    zone = now.tzinfo if now is not None and isinstance(now.tzinfo, ZoneInfo) else UTC
    loaded = load_rules(*rule_paths, zone=zone)
    faults += loaded.faults
    if kept_s is not None:
        faults += out_of_reach(loaded.plan.rules, kept_s=kept_s)
    if now is not None:
        faults += past_their_day(loaded.plan.rules, today=now.date())
    shop = shop_file(existing)
    files = len(rule_files(existing)) + (calendar_file(existing) is not None) + (shop is not None)
    files += 0 if loaded.shop is None else len(loaded.shop.packs)
    for path in _routing_files(existing):
        routing, wrong = load_routing(path)
        files += 1
        faults += wrong
        if routing is not None and path.parent in existing and not loaded.errors:
            faults += _unheard(path, routing.teams, {team for rule in loaded.plan.rules for team in rule.teams})
            faults += _unmet(path, routing, loaded.plan.rules)
        if routing is not None:
            faults += _not_installed(path, routing)
        if routing is not None and shop is not None and loaded.shop is not None:
            faults += _unknown_receivers(shop, loaded.shop.settings, routing)
        if routing is not None and routing.schedules and now is not None:
            faults += _gaps(path, routing, now)
        if routing is not None and routing.mute_times and now is not None:
            faults += _quiet(path, routing, now.date())
        if routing is not None and routing.teams:
            for rule in loaded.plan.rules:
                file, _, line = rule.place.rpartition(":")
                for team in rule.teams:
                    if team not in routing.teams:
                        message = f"rule '{rule.name}' is for the team '{team}', which {path} does not name"
                        remedy = did_you_mean(team, routing.teams)
                        faults.append(Fault(file, int(line), 1, message, remedy, "LS150", "warning"))
    for path in _source_files(existing):
        files += 1
        faults += load_sources(path).faults
    sound = len(mapping_files) - len({fault.path for fault in faults} & {str(path) for path in mapping_files})
    return CheckReport(tuple(sorted(set(faults))), len(loaded.plan.rules), files, sound)


_REPORT_KEYS = {"daily": "daily", "weekly": "agenda", "monthly": "monthly", "hourly": "hourly"}
"""Kind of report → the key of shop.yml's `report` that says who gets it."""


def _unknown_receivers(shop: Path, settings: ShopSettings, routing: Routing) -> list[Fault]:
    """Receivers of reports that the routing does not have."""
    document, _ = read_document(shop)
    if document is None:
        return []
    named = [("to", name) for name in settings.report_to]
    named += [
        (_REPORT_KEYS[kind], name)
        for kind, slots in settings.report_slots.items()
        for slot in slots
        for name in slot.to
    ]
    return [
        document.fault(
            ("report", key), f"there is no receiver '{name}'", did_you_mean(name, routing.destinations), "LS150"
        )
        for key, name in dict.fromkeys(named)
        if name not in routing.destinations
    ]


def _is_mapping(path: Path) -> bool:
    """Whether a file holds a mapping and no rules: by its key, as one with faults may be no YAML."""
    try:
        return _MAPPING.search(path.read_bytes()) is not None
    except OSError:
        return False


def _mapping_faults(path: Path) -> list[Fault]:
    document, faults = read_document(path)
    return faults if document is None else read_mapping(document)[1]


def _unheard(path: Path, teams: Iterable[str], addressed: Collection[str]) -> list[Fault]:
    """Teams of the routing whom no rule tells anything. addressed: the teams of all rules of the folder."""
    document, _ = read_document(path)
    # A rule that tells an unknown team is named for it; the team that it meant need not be named, too.
    if document is None or not addressed or set(addressed) - set(teams):
        return []
    faults = []
    for team in teams:
        if team not in addressed:
            message, remedy = f"no rule tells team '{team}' anything", did_you_mean(team, addressed)
            faults.append(document.fault(("teams", team), message, remedy, "LS154", level="warning", key=True))
    return faults


def _unmet(path: Path, routing: Routing, rules: Sequence[Rule]) -> list[Fault]:
    """Matchers and hooks that no alert of these rules meets, nor one of Lockstep's own."""
    document, _ = read_document(path)
    if document is None or not rules or not (routing.tree.routes or routing.promotions):
        return []
    known = (*rules, *own_rules(tuple(routing.teams)))
    return unmet_matchers(
        document,
        labels={label for rule in known for label in rule.by},
        rules={rule.name for rule in known},
        teams={*routing.teams, *(team for rule in rules for team in rule.teams)},
    )


def _not_installed(path: Path, routing: Routing) -> list[Fault]:
    """Receivers by a channel that an optional library sends, which is not on this machine."""
    document, _ = read_document(path)
    faults = []
    for destination in (each for several in routing.destinations.values() for each in several):
        extra = CHANNELS[destination.channel].extra
        if document is not None and extra and find_spec(extra) is None:
            message = f"receiver '{destination.receiver}': {extra} is not installed here"
            remedy = f"`pip install 'lockstep[{extra}]'` where `lockstep serve` runs"
            at = ("receivers", destination.receiver, destination.channel)
            faults.append(document.fault(at, message, remedy, "LS150", level="warning", key=True))
    return faults


def _gaps(path: Path, routing: Routing, now: datetime) -> list[Fault]:
    """When nobody will be on call from now on."""
    document, _ = read_document(path)
    return [] if document is None else gap_faults(document, routing.schedules, now)


def _quiet(path: Path, routing: Routing, today: date) -> list[Fault]:
    """Mute times that hold nothing, or something for good. today: in the shop's time zone."""
    document, _ = read_document(path)
    if document is None:
        return []
    steps = [step for e in routing.escalations.values() for step in (*e.steps, e.unresolved) if step is not None]
    used = {name for step in steps for name in (*step.mute, *step.active)}
    return list(mute_faults(document, routing.mute_times, routing.tree.routes, used=used, today=today))


def _routing_files(paths: Iterable[Path]) -> list[Path]:
    candidates = [p / "routing.yml" for p in paths if p.is_dir()] + [p for p in paths if p.name == "routing.yml"]
    return [p for p in candidates if p.exists()]


def _source_files(paths: Iterable[Path]) -> list[Path]:
    candidates = [p / FILE for p in paths if p.is_dir()] + [p for p in paths if p.name == FILE]
    return [p for p in candidates if p.exists()]


def exit_code(report: CheckReport, *, strict: bool) -> int:
    """0 clean, 1 errors, 3 warnings where they count."""
    if report.errors:
        return 1
    return 3 if strict and report.faults else 0
