"""Why a message is sent, in words that go on after "because", for the log of decisions and for who is told."""

from collections.abc import Sequence

from lockstep.response.decision import Reason

_ONE = {
    Reason.FIRST: "it has begun",
    Reason.NEW_ALERTS: "it has begun, too",
    Reason.WORSE: "it got worse",
    Reason.ALL_OVER: "it is over",
    Reason.SOME_OVER: "it is over, others of its group go on",
    Reason.REPEAT: "it still goes on",
    Reason.ESCALATION: "nobody has taken it on",
    Reason.SILENCE_ENDED: "it still goes on",
    Reason.HELD: "it was held until now",
    Reason.FALLBACK: "others cannot be reached",
    Reason.RESPONSE: "somebody has responded to it",
    Reason.STORM: "it is one of very many",
    Reason.CAUGHT_UP: "nobody was watching",
    Reason.NEW_RECEIVER: "it goes on already, and you are new among those who are told",
}
_MANY = {
    Reason.FIRST: "{n} have begun",
    Reason.NEW_ALERTS: "{n} more have begun",
    Reason.WORSE: "{n} got worse",
    Reason.ALL_OVER: "all {n} are over",
    Reason.SOME_OVER: "{n} are over, others of their group go on",
    Reason.REPEAT: "{n} still go on",
    Reason.ESCALATION: "nobody has taken on {n} of them",
    Reason.SILENCE_ENDED: "{n} still go on",
    Reason.HELD: "{n} were held until now",
    Reason.FALLBACK: "others cannot be reached about {n} of them",
    Reason.RESPONSE: "somebody has responded to {n} of them",
    Reason.NEW_RECEIVER: "{n} go on already, and you are new among those who are told",
}


_PLAIN = {
    Reason.FIRST,
    Reason.NEW_ALERTS,
    Reason.ALL_OVER,
    Reason.SOME_OVER,
    Reason.RESPONSE,
}
"""What a message says by itself: that something has begun, is over, or is somebody's."""


def reason_words(reason: Reason, why: str = "", *, count: int = 1) -> str:
    """Why so many alerts of a message are told. why: what is known besides, which says more than the reason."""
    said = _ONE.get(reason, reason.value) if count == 1 else _MANY.get(reason, "{n} " + reason.value).format(n=count)
    if reason is Reason.ESCALATION and why:
        return why
    return f"{said}: {why}" if why else said


def message_reason(reasons: Sequence[tuple[Reason, str]]) -> str:
    """Why a message of several is sent: each reason once, with how many it holds for, in the order of the items."""
    counts: dict[tuple[Reason, str], int] = {}
    for key in reasons:
        counts[key] = counts.get(key, 0) + 1
    return "; ".join(reason_words(reason, why, count=count) for (reason, why), count in counts.items())


def is_evident(reasons: Sequence[tuple[Reason, str]]) -> bool:
    """Whether a message says by itself why it is sent."""
    return all(reason in _PLAIN for reason, _ in reasons)
