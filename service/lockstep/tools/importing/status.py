"""How the imports of a broker stand, role by role."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from lockstep.adapters.import_log import ImportLog, ImportState
from lockstep.ports import Broker
from lockstep.text.figures import duration_words

GOES_ON_S = 10.0
"""An open import whose last record is younger goes on; else it stands still."""


@dataclass(frozen=True)
class RoleStatus:
    """sentence: how the import of a role stands. reached: the time of its last event, where it is known.

    waiting: live events that wait for its end.
    """

    role: str
    sentence: str
    is_open: bool
    reached: datetime | None
    waiting: int


async def role_statuses(
    broker: Broker, topics: Mapping[str, str], samples: str, *, clock: Callable[[], datetime]
) -> list[RoleStatus]:
    """Of every role. topics: role → topic. samples: name of the topic of samples. Raises BrokerError."""
    imports = ImportLog(broker, samples, clock=clock)
    statuses = []
    for role, topic in topics.items():
        state = await imports.state(role)
        is_open = state is not None and state.standing.is_open
        statuses.append(
            RoleStatus(
                role,
                await _sentence(imports, role, state, now=clock()),
                is_open,
                None if state is None else state.reached,
                await imports.waiting(topic) if is_open else 0,
            )
        )
    return statuses


async def _sentence(imports: ImportLog, role: str, state: ImportState | None, *, now: datetime) -> str:
    if state is not None and state.standing.is_open:
        still_s = (now - state.written_at).total_seconds()
        return "goes on" if still_s < GOES_ON_S else f"open, stands still for {duration_words(still_s)}"
    if state is not None and state.ended_at is not None:
        if await imports.told_to(role) >= state.ended_at:
            return "ended and judged"
        return "ended, no service has read all of it yet"
    if (state is not None and state.standing.is_served) or await imports.is_live(role):
        return "none, and none can come any more: live events are judged"
    return "none yet"
