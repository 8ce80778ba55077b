"""Brokers: the same topics, partitions and owned partitions on a SQLite file and on Kafka, chosen by URL alone."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from lockstep.errors import SettingsError
from lockstep.ports import Broker
from lockstep.settings import Settings


class WorkerBroker(Broker, Protocol):
    """A broker that a worker can run on, and what it asks of it besides: what Kafka does by itself is nothing there."""

    def faust_options(self) -> dict[str, Any]:
        """Settings of the Faust app that go with this broker."""

    def verify(self) -> None:
        """Raises BrokerError when the file is not the one at its path any more; Kafka has none."""

    async def retain(self) -> int:
        """Remove what is older than its retention; how many records that were."""

    def size_bytes(self) -> int | None:
        """Size of the file, once it is open; None where there is none."""


def open_broker(settings: Settings, *, clock: Callable[[], datetime], patience_s: float | None = None) -> WorkerBroker:
    """The broker behind LOCKSTEP_BROKER, not yet started.

    patience_s: how long a start waits for a broker that is away before it raises BrokerError; None: for ever.
    """
    if settings.is_sqlite:
        from lockstep.adapters.stream.sqlite import SqliteBroker

        return SqliteBroker(settings.broker, group=settings.app_id, clock=clock)
    if settings.broker.startswith("kafka://"):
        from lockstep.adapters.stream.kafka.broker import KafkaBroker

        return KafkaBroker(settings, clock=clock, patience_s=patience_s)
    raise SettingsError(f"LOCKSTEP_BROKER: '{settings.broker}' is neither sqlite:///FILE nor kafka://HOST:PORT")


def transport_for(settings: Settings) -> Callable[[Any, Any], Any]:
    """(url, app) → the Faust transport behind LOCKSTEP_BROKER."""
    if settings.is_sqlite:
        from lockstep.adapters.stream.sqlite import SqliteTransport

        return SqliteTransport
    from lockstep.adapters.stream.kafka.transport import KafkaTransport

    transport: Callable[[Any, Any], Any] = KafkaTransport
    return transport
