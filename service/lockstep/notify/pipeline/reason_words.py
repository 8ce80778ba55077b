"""Why a message is sent, in words that go on after "because"."""

from collections.abc import Sequence

from lockstep.response.decision import Reason

_ONE = {
    Reason.FIRST: "it has begun",
    Reason.NEW_ALERTS: "it has begun, too",
    Reason.WORSE: "it got worse",
    Reason.ALL_OVER: "it is over",
    Reason.SOME_OVER: "it is over, others of its group go on",
    Reason.REPEAT: "it still fires",
    Reason.ESCALATION: "it is passed on",
    Reason.SILENCE_ENDED: "it still fires",
    Reason.HELD: "it was held until now",
    Reason.FALLBACK: "others cannot be reached",
    Reason.RESPONSE: "somebody has responded to it",
    Reason.STORM: "it is one of very many",
    Reason.CAUGHT_UP: "nobody was watching",
    Reason.NEW_RECEIVER: "it fires already, and this is a new receiver of it",
}
_MANY = {
    Reason.FIRST: "{n} have begun",
    Reason.NEW_ALERTS: "{n} more have begun",
    Reason.WORSE: "{n} got worse",
    Reason.ALL_OVER: "all {n} are over",
    Reason.SOME_OVER: "{n} are over, others of their group go on",
    Reason.REPEAT: "{n} still fire",
    Reason.ESCALATION: "{n} are passed on",
    Reason.SILENCE_ENDED: "{n} still fire",
    Reason.HELD: "{n} were held until now",
    Reason.FALLBACK: "others cannot be reached about {n} of them",
    Reason.RESPONSE: "somebody has responded to {n} of them",
    Reason.NEW_RECEIVER: "{n} fire already, and this is a new receiver of them",
}


def reason_words(reason: Reason, why: str = "", *, count: int = 1) -> str:
    """Why so many alerts of a message are told. why: what is known besides, which says more than the reason."""
    said = _ONE.get(reason, reason.value) if count == 1 else _MANY.get(reason, "{n} " + reason.value).format(n=count)
    return f"{said}: {why}" if why else said


def message_reason(reasons: Sequence[tuple[Reason, str]]) -> str:
    """Why a message of several is sent: each reason once, with how many it holds for, in the order of the items."""
    counts: dict[tuple[Reason, str], int] = {}
    for key in reasons:
        counts[key] = counts.get(key, 0) + 1
    return "; ".join(reason_words(reason, why, count=count) for (reason, why), count in counts.items())
