"""The exception tree on one screen. Ask: who can act on it?

A message has four parts on one line: where, what, the way out, code.
"""

from collections.abc import Sequence
from typing import Literal, get_args

DeliveryReason = Literal[
    "clientError",
    "serverError",
    "authError",
    "rateLimited",
    "timeout",
    "connection",
    "ambiguous",
    "configuration",
    "other",
]
DELIVERY_REASONS: tuple[str, ...] = get_args(DeliveryReason)
"""Why an attempt failed, for metrics and dead letters; `other` is what nobody expected."""


class LockstepError(Exception):
    """Everything that Lockstep raises on purpose. What is not one of these is a bug and rises."""


class EventError(LockstepError):
    """The sender of an event can act: the event is refused, with its reason."""

    def __init__(self, reason: str, detail: str, faults: Sequence[tuple[str, str, str]] = ()) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        """One word for metrics and dead letters: `json`, `envelope`, `data`, `number`, `future`, `tombstone`."""
        self.detail = detail
        self.faults = tuple(faults) or (("", reason, detail),)
        """(field such as `data.lines.0.quantity`, reason, message) of each; the field is "" where there is none."""


class RuleError(LockstepError):
    """The rule's author can act: a file cannot be used. Carries one line for each fault."""


class CommandError(LockstepError):
    """Who gave a command can act: it is refused. message: what is wrong with it. remedy: the way out."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message, self.remedy = message, remedy


class MatcherError(CommandError):
    """Who wrote a matcher can act, in a command or in a routing file."""


class SettingsError(LockstepError):
    """The operator can act: a setting, a topic or the broker is not as it must be."""


class BrokerError(LockstepError):
    """The broker refused or vanished; `retryable` says whether trying again can help."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class CommandUnanswered(LockstepError):
    """A command is on the log, and no worker has said in time what became of it."""


class Fenced(BrokerError):
    """Another worker owns this partition now: drop everything of this assignment."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=False)


class StateError(LockstepError):
    """Stored state does not fit this program: an unknown format, another chunk size, another topic under the name."""


class DeliveryError(LockstepError):
    """One attempt of one delivery failed.

    retry_after_s: what the destination asked for, in seconds, or None.
    """

    def __init__(
        self, reason: DeliveryReason, message: str, *, retryable: bool, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.reason: DeliveryReason = reason
        self.retryable = retryable
        self.retry_after_s = retry_after_s
