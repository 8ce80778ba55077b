"""What `lockstep init` writes, of the answers that it was given: path → text."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from lockstep.calendar.country_holidays import country_holidays
from lockstep.errors import RuleError
from lockstep.notify.route import routing_of
from lockstep.tools.foreign_rules.equivalent import flow
from lockstep.yaml.document import document_of

STARTER = ("orders.yml", "stock.yml", "traffic.yml", "tests/orders.yml", "tests/stock.yml", "tests/traffic.yml")


@dataclass(frozen=True)
class Answers:
    """What was asked. country: `DE`, `DE-BY` or ""; marketing, operations: how each is reached, or "".

    mapping: (name, text) of one for the shop's export, where no ready one knows it.
    """

    timezone: ZoneInfo
    country: str = ""
    marketing: str = ""
    operations: str = ""
    mapping: tuple[str, str] | None = None


def zone_named(name: str) -> ZoneInfo:
    """Raises RuleError where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RuleError(f"there is no time zone '{name[:60]}'; write one like Europe/Berlin") from error


def shop_files(answers: Answers) -> dict[Path, str]:
    """Raises RuleError for an answer that cannot be used."""
    rules = Path("rules")
    routing, secrets = _routing(answers.marketing.strip(), answers.operations.strip())
    texts = {rules / name: (files("lockstep.tools.init") / "starter" / name).read_text("utf-8") for name in STARTER}
    texts[rules / "calendar.yml"] = _calendar(answers.country.strip())
    texts[rules / "shop.yml"] = _SHOP
    texts[rules / "routing.yml"] = routing
    texts[Path("lockstep.env")] = _settings(answers.timezone.key, secrets)
    if answers.mapping is not None:
        name, text = answers.mapping
        texts[Path("mappings") / f"{name}.yml"] = text
    return texts


_SHOP = """\
# What the shop says of itself: business measures, reports and answers to plans are made with it. Everything has a
# default; rules/README.md of Lockstep says more, `lockstep packs` lists the rule packs and their settings.
#
# currency: EUR
# exchange: {USD: 0.93}          # what one of another currency is worth
# capacity: {per_day: 120}       # orders that can be shipped on a day
# key_products: ["KEY-*"]        # must never run out
# marketplaces: [amazon]         # locations or channels that are marketplaces
# lead_time: 14d                 # of suppliers that told none
# report: {daily: "06:00", agenda: Mon}
# packs: [stock]                 # rules that are there without being written
# stock: {low_cover: 10}         # a setting of a pack
packs: []
"""


def _calendar(country: str) -> str:
    lines = [
        "# What the shop knows of its days, in its own time zone; rules/README.md of Lockstep says more. Marked days",
        "# are no part of what is usual. On holidays people buy otherwise; a day on which nothing is expected belongs",
        "# to `closed`.",
        "#",
        "# campaigns:",
        "#   - {name: Black Friday, from: 2026-11-27, to: 2026-11-30}",
        "# closed:",
        "#   - {name: nobody packs on Sundays, on: Sun}",
    ]
    if country:
        try:
            code = country_holidays(country).country
        except ValueError as error:
            raise RuleError(str(error)) from error
        lines += [f"country: {code}  # its public holidays, of every year"]
    else:
        lines += ["# country: DE          # its public holidays; DE-BY those of a part of it", "holidays: []"]
    return "\n".join(lines) + "\n"


def _routing(marketing: str, operations: str) -> tuple[str, list[str]]:
    """(routing.yml, names of the secrets that it needs). A team without an address hears through the other's."""
    lines = [
        "# Who is told, and how. Secrets never stand here: {secret: NAME} is read from LOCKSTEP_SECRET_NAME, see",
        "# lockstep.env. `lockstep notify test NAME` sends a marked message to a receiver.",
    ]
    asked = {team: address for team, address in (("marketing", marketing), ("operations", operations)) if address}
    if not asked:
        return "\n".join([*lines, "teams: {}", "receivers: {}"]) + "\n", []
    receivers = {team: _receiver(team, address) for team, address in asked.items()}
    other = next(iter(receivers.values()))
    lines.append("teams:")
    lines += [f"  {team}: [{receivers.get(team, other).name}]" for team in ("marketing", "operations")]
    lines.append("receivers:")
    lines += [f"  {receiver.name}: {receiver.text}" for receiver in receivers.values()]
    text = "\n".join(lines) + "\n"
    _check_routing(text)
    return text, sorted({receiver.secret for receiver in receivers.values() if receiver.secret})


@dataclass(frozen=True)
class _Receiver:
    """A receiver as routing.yml has it, and the name of the secret that it needs."""

    name: str
    text: str
    secret: str = ""


def _receiver(team: str, address: str) -> _Receiver:
    if address.startswith("#"):
        text = f"{{slack: {{channel: {flow(address)}, token: {{secret: SLACK_TOKEN}}}}}}"
        return _Receiver(f"{team}-slack", text, "SLACK_TOKEN")
    if "://" in address:
        secret = f"{team.upper()}_HOOK"
        text = f"{{webhook: {{url: {flow(address)}, secret: {{secret: {secret}}}}}}}"
        return _Receiver(f"{team}-hook", text, secret)
    addresses = [one.strip() for one in address.split(",")]
    return _Receiver(f"{team}-mail", f"{{email: {{to: {flow(addresses)}}}}}")


def _check_routing(text: str) -> None:
    """Raises RuleError for an address that cannot be right."""
    document, faults = document_of("routing.yml", text.encode())
    if document is not None:
        faults = routing_of(document)[1]
    wrong = next((fault for fault in faults if fault.level == "error"), None)
    if wrong is not None:
        raise RuleError(f"{wrong.message}; {wrong.remedy}")


def _settings(timezone: str, secrets: Sequence[str]) -> str:
    lines = [
        "# Settings of Lockstep. In a shell: set -a; . ./lockstep.env; set +a",
        f"LOCKSTEP_TIMEZONE={timezone}",
    ]
    for secret in secrets:
        lines.append(f"# LOCKSTEP_SECRET_{secret}=")
    if any(secret.endswith("_HOOK") for secret in secrets):
        lines.append(
            "# (python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\" makes one)"
        )
    return "\n".join(lines) + "\n"
