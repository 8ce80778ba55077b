"""What each team should do, made of what matters: the first that people read of a report."""

from collections.abc import Iterator, Sequence

from lockstep.reports.report_record import Matter, Todo
from lockstep.text.days import list_text
from lockstep.text.one_line import capital

TEAMS = ("marketing", "operations")
BOTH = "both teams"
NOBODY = "nobody yet"


def todos(matters: Sequence[Matter]) -> tuple[Todo, ...]:
    """Of each team, then of each person, in the order of what matters."""
    persons = dict.fromkeys(m.who for m in matters if m.who not in (*TEAMS, BOTH))
    return tuple(todo for who in (*TEAMS, *persons) for todo in _of(who, matters))


def _of(who: str, matters: Sequence[Matter]) -> Iterator[Todo]:
    """A person does what is theirs alone; a team also its part in what is the other one's."""
    paused = {m.name.partition("/")[2] for m in matters if m.name.startswith("promotion/")}
    short = [m for m in matters if who != m.who and _is_short(m) and _sku(m) not in paused]
    for matter in matters:
        if matter.who == who or (matter.who == BOTH and who in TEAMS):
            what = capital(matter.because) if matter.what in matter.act else matter.what
            yield Todo(who=who, act=matter.act, what=what, at_stake=matter.at_stake, due=matter.due)
        elif not matter.also or who not in TEAMS:
            continue
        elif not _is_short(matter) or short == [matter]:
            yield Todo(who=who, act=matter.also, what=matter.what, due=matter.due)
        elif short and short[0] is matter:
            names = list_text([_sku(m) for m in short], len(short))
            yield Todo(
                who=who,
                act=f"Do not promote products {names} until they are back",
                what="They are sold out, or will be before more comes",
                due=matter.due,
            )


def _is_short(matter: Matter) -> bool:
    """Whether it is of a product that is sold out or will be: those are one thing to whoever promotes."""
    return matter.name.startswith("stock/")


def _sku(matter: Matter) -> str:
    return matter.name.partition("/")[2]
