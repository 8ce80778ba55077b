"""What on-call staff search the log for: one line for each alert that fires, gets worse or ends."""

import structlog

from lockstep.notify.decide import Notify
from lockstep.transition import TransitionName

log = structlog.get_logger("lockstep")

_NEWS = {TransitionName.FIRING: "alert fires", TransitionName.RESOLVED: "alert ends"}


def log_news(_: int, notify: Notify) -> None:
    """Log what is new since the last call. For `after_cut` of the notify stage: (partition, stage)."""
    for said in notify.take_reports():
        log.warning(said)
    for t in notify.take_news():
        log.info(
            _NEWS.get(t.state, "alert gets worse"),
            rule=t.rule,
            labels=t.labels,
            severity=t.severity,
            value=t.value,
            at=t.at,
            alert=t.alert_id,
            **({"reason": t.reason} if t.reason else {}),
        )


async def log_last_news(partition: int, notify: Notify) -> None:
    """The same when the stage is released."""
    log_news(partition, notify)
