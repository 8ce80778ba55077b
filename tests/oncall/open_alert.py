"""One alert, as the tests of on-call let it fire, get worse and end."""

from datetime import UTC, datetime, timedelta

from lockstep.transition import Transition, TransitionName

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def transition(
    state: str = "firing", severity: str = "critical", *, minute: float = 0, episode: str = "E1", alert: str = "A1"
) -> Transition:
    """LowStock of a sku, so many minutes after NOON."""
    at = (NOON + timedelta(minutes=minute)).isoformat()
    number = {"firing": 1, "severity": 2, "resolved": 3}[state]
    return Transition(
        transition_id=f"{episode}-{number}",
        alert_id=alert,
        episode_id=episode,
        number=number,
        rule="LowStock",
        labels={"sku": alert},
        state=TransitionName(state),
        at=at,
        started_at=NOON.isoformat(),
        severity=severity,
        value=12.0,
        baseline=None,
        ratio=None,
        limit=20.0,
        window_start=None,
        window_end=None,
        so_far=False,
        watermark=at,
        rule_version="v1",
    )
