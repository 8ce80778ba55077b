"""What a route says besides whom it reaches; a child takes what it does not say itself from its parents."""

from typing import Literal

import msgspec

EACH_ALONE = "..."
"""In `group_by`: each alert by itself, as Alertmanager writes it."""


class RouteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The effective options of one path through the routes; durations in seconds.

    group_by: labels (also `rule`, `severity`, `team`) whose values make a group; None: one group a rule; (): everything
    that takes this route is one group; ("...",): each alert by itself. group_wait_s: how long the first news of a group
    waits for more; None: LOCKSTEP_GROUP_WAIT. group_interval_s: how long it waits at least after the last message of a
    group in which something still fires; None: no longer than group_wait. repeat_interval_s: what still fires and
    nobody has is told again this long after it was last told; None: never. short_lived: whether people hear of what
    began and ended before they could be told; None: yes after a group's wait and a mute time, no after a silence or an
    inhibition. ack_timeout_s: when an acknowledgement expires that does not say so itself; None: with its episode.
    mute, active: names of mute times in which nothing is told, and outside of which nothing is. mutes_critical: whether
    they hold critical alerts, too. escalation: the name of the escalation that begins. fallback: receivers who are told
    where a destination of this route is dead.
    """

    group_by: tuple[str, ...] | None = None
    group_wait_s: float | None = None
    group_interval_s: float | None = None
    repeat_interval_s: float | None = None
    short_lived: Literal["tell", "skip"] | None = None
    ack_timeout_s: float | None = None
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    mutes_critical: bool = False
    escalation: str = ""
    fallback: tuple[str, ...] = ()


DEFAULTS = RouteOptions()
"""Where no route matches: as it was before there were routes."""
