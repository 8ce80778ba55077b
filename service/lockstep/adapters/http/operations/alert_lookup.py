"""Which alert is meant: by its id, by the beginning of one, or by its rule where that has one alone."""

from typing import Any

from lockstep.adapters.alert_board import AlertBoard, candidates
from lockstep.adapters.http.refusal import Refusal
from lockstep.adapters.response_board import ResponseBoard
from lockstep.errors import BrokerError
from lockstep.transition import Transition

MOST_NAMED = 10
"""Alerts that are named where several are meant."""
_LISTS = "/v1/alerts?state=all lists those that are"


class AlertLookup:
    """Asks the read models of this worker."""

    def __init__(self, board: AlertBoard, responses: ResponseBoard) -> None:
        self._board, self._responses = board, responses

    async def of(self, number: str, *, or_rule: bool = False) -> Transition:
        """The last transition of the alert that is meant. Raises Refusal: 404 for none, 400 for several.

        number: its id, or the beginning of one. or_rule: or the name of its rule, for what changes nothing.
        """
        latest = self._latest(number)
        if latest is None:
            try:  # this worker may just have begun: what it has not read yet is not unknown
                await self._board.refresh()
                await self._responses.refresh()
            except BrokerError as error:
                raise Refusal(503, str(error), headers={"Retry-After": "5"}) from error
            latest = self._latest(number) or self._meant(number, or_rule=or_rule)
        return latest

    def _latest(self, number: str) -> Transition | None:
        return self._board.latest(number) or next(iter(reversed(self._responses.transitions(number))), None)

    def _meant(self, number: str, *, or_rule: bool) -> Transition:
        """Raises Refusal."""
        alerts = self._board.alerts(every=True)
        known = candidates(number, {}, [t for t in alerts if or_rule or t.rule != number])
        if len(known) == 1:
            return known[0]
        said = number[:100]
        if not known:
            rules = sorted({t.rule for t in alerts})[:MOST_NAMED]
            names = f"; there are alerts of {', '.join(rules)}" if rules and or_rule else ""
            raise Refusal(404, f"no alert '{said}' is known{names}; {_LISTS}")
        more = {"candidates": [_named(t) for t in known[:MOST_NAMED]]}
        raise Refusal(400, f"'{said}' may be any of {len(known):,} alerts; name one by its id, {_LISTS}", more=more)


def _named(transition: Transition) -> dict[str, Any]:
    return {"alert_id": transition.alert_id, "rule": transition.rule, "labels": transition.labels}
