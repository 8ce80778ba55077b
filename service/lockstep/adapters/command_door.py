"""Gives commands: publishes one, and waits until this worker's board knows what became of it."""

import msgspec

from lockstep.adapters.response_board import ResponseBoard
from lockstep.errors import CommandUnanswered
from lockstep.ports import Broker, Record
from lockstep.response.command import AUDIT, COMMANDS, Answer, Command, Deed

WITHIN_S = 10.0
"""How long an answer is waited for: a worker that takes over notify's partition needs some seconds."""


def audit_record(deed: Deed, why: str, *, topic: str = AUDIT) -> Record:
    """What was done without notify, as the audit has it. why: what it changed, in words."""
    answer = Answer(id=deed.id, command=deed, applied=True, why=why, decided_at=deed.at)
    return Record(topic, msgspec.json.encode(answer), deed.id.encode(), 0)


NEWS_S = 2.0
"""How long an alert may be known to people before it is to notify, which reads alerts and commands side by side."""


class CommandDoor:
    """The one way by which people's commands come in, from pages, links, buttons, the API and the command line."""

    def __init__(self, broker: Broker, board: ResponseBoard) -> None:
        self._broker, self._board = broker, board

    async def give(self, command: Command, *, within_s: float = WITHIN_S) -> Answer:
        """What became of a command: applied, or refused with the reason in words.

        When it returns, the board shows what stands by it. One whose id was answered before is not given again: its
        answer is returned. Raises BrokerError, and CommandUnanswered where no worker has applied it in time; then it is
        on the log, and will be applied.
        """
        known = self._board.answer(command.id)
        if known is not None:
            return known
        alert_id = getattr(command, "alert_id", None)
        if alert_id is not None:
            await self._board.wait_until_taken(alert_id, within_s=NEWS_S)
        await self._broker.publish([Record(COMMANDS, msgspec.json.encode(command), command.id.encode(), 0)])
        answer = await self._board.wait_for(command.id, within_s=within_s)
        if answer is None:
            raise CommandUnanswered(
                f"nobody has answered within {within_s:g} s: it is kept, and is applied when a worker has notify's "
                "partition; look again, or ask again with the same id"
            )
        return answer
