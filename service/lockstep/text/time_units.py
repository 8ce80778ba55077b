"""How many seconds longer units of time have. Instants are counted in microseconds, see `text.rfc3339.SECOND`."""

DAY_S = 86_400
"""A day of 24 hours; those on which the clocks change have 23 or 25, see `rule.condition.period`."""
WEEK_S = 7 * DAY_S
