"""Brokers: the same topics, partitions and owned partitions on a SQLite file and on Kafka, chosen by URL alone."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from lockstep.errors import SettingsError
from lockstep.settings import Settings


def open_broker(settings: Settings, *, clock: Callable[[], datetime], patience_s: float | None = None) -> Any:
    """The broker behind LOCKSTEP_BROKER (ports.Broker), not yet started.

    patience_s: how long a start waits for a broker that is away before it raises BrokerError; None: for ever.
    """
    if settings.is_sqlite:
        from lockstep.adapters.stream.sqlite import SqliteBroker

        return SqliteBroker(settings.broker, group=settings.app_id, clock=clock)
    if settings.broker.startswith("kafka://"):
        from lockstep.adapters.stream.kafka import KafkaBroker

        return KafkaBroker(settings, clock=clock, patience_s=patience_s)
    raise SettingsError(f"LOCKSTEP_BROKER: '{settings.broker}' is neither sqlite:///FILE nor kafka://HOST:PORT")


def transport_for(settings: Settings) -> Callable[[Any, Any], Any]:
    """(url, app) → the Faust transport behind LOCKSTEP_BROKER."""
    if settings.is_sqlite:
        from lockstep.adapters.stream.sqlite import SqliteTransport

        return SqliteTransport
    from lockstep.adapters.stream.kafka_transport import KafkaTransport

    transport: Callable[[Any, Any], Any] = KafkaTransport
    return transport
