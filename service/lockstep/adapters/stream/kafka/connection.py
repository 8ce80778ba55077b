"""The connection to a cluster: waited for at the start, and every question asked again until there is an answer."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from aiokafka import errors as kafka_errors
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from lockstep.adapters.stream.kafka.client_logs import limit_client_logs
from lockstep.adapters.stream.kafka.options import client_options
from lockstep.errors import BrokerError, SettingsError
from lockstep.settings import Settings

log = structlog.get_logger("lockstep.kafka")

PATIENCE_S = 60.0
"""How long a question is asked again before the broker counts as gone."""
CONNECT_S = 5.0
LEAST_CONNECT_S = 0.1
"""How long one server is waited for when all of them are tried in turn; the least, where patience is about to end."""

FORBIDDEN = (
    kafka_errors.TopicAuthorizationFailedError,
    kafka_errors.GroupAuthorizationFailedError,
    kafka_errors.ClusterAuthorizationFailedError,
    kafka_errors.TransactionalIdAuthorizationFailed,
)

T = TypeVar("T")


class Connection:
    """The client of one cluster, from `start` to `stop`. options: what every client needs to know to get in."""

    def __init__(self, settings: Settings, *, patience_s: float | None = None) -> None:
        """patience_s: how long `start` waits for a cluster that is away; None: for ever, as a service does."""
        self._broker = settings.broker
        self._patience_s = patience_s
        self.options = client_options(settings)
        self._running: AIOKafkaClient | None = None

    @property
    def client(self) -> AIOKafkaClient:
        if self._running is None:
            raise BrokerError(f"{self._broker}: the broker has not answered yet, or is being left")
        return self._running

    async def start(self) -> None:
        limit_client_logs()
        loop = asyncio.get_running_loop()
        began, delay, said = loop.time(), 0.2, False

        def left_s() -> float | None:
            return None if self._patience_s is None else began + self._patience_s - loop.time()

        while (reason := await self._connect(left_s())) is not None:
            left = left_s()
            if left is not None:
                if left <= 0:
                    raise BrokerError(
                        f"{self._broker}: no broker answers: {reason}; is it running, is the address right?"
                    )
                # A pause that has grown must not take more than is left: it was asked for in seconds, not in tries.
                delay = min(delay, left)
            elif not said:
                log.warning("waiting for the broker", broker=self._broker, reason=reason)
                said = True
            await asyncio.sleep(delay)
            delay = min(delay * 1.5, 5.0)
        if said:
            log.info("the broker answers", waited_s=round(loop.time() - began, 1))

    async def _connect(self, left_s: float | None) -> str | None:
        """Why there is no connection yet; None when there is one. Raises SettingsError for what waiting cannot cure.

        left_s: how long all servers may take together; None: CONNECT_S each, as long as it takes then.
        """
        reasons = []
        servers = self.options["bootstrap_servers"]
        each_s = CONNECT_S if left_s is None else min(CONNECT_S, max(LEAST_CONNECT_S, left_s / len(servers)))
        for server in servers:
            host, _, port = server.rpartition(":")
            options = {
                k: v for k, v in self.options.items() if k not in ("bootstrap_servers", "metadata_max_age_ms")
            } | {"request_timeout_ms": round(CONNECT_S * 1000)}
            try:
                # Tried by itself because the client's own start says neither why it failed nor when to try again.
                # Its own timeout is one for each step, and to connect is several.
                async with asyncio.timeout(each_s):
                    connection = await create_conn(host.strip("[]"), int(port), **options)
            except ssl.SSLCertVerificationError as error:
                raise SettingsError(
                    f"{server}: its certificate is not trusted: {error.verify_message}; see LOCKSTEP_KAFKA_SSL_CAFILE"
                ) from error
            except (kafka_errors.SaslAuthenticationFailed, kafka_errors.UnsupportedSaslMechanismError) as error:
                raise SettingsError(
                    f"{server} does not let us in: {error}; see LOCKSTEP_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"
                ) from error
            except (KafkaError, OSError, TimeoutError) as error:
                reasons.append(f"{server}: {str(error) or 'no answer'}")
                continue
            await connection.close()
            client = AIOKafkaClient(**self.options)
            try:
                async with asyncio.timeout(left_s):
                    await client.bootstrap()
            except (KafkaError, TimeoutError) as error:
                await client.close()
                reasons.append(f"{server}: {str(error) or 'no answer'}")
                continue
            self._running = client
            return None
        return "; ".join(reasons)

    async def stop(self) -> None:
        client, self._running = self._running, None
        if client is not None:
            await client.close()

    async def ask(self, what: str, attempt: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, at most PATIENCE_S. Raises BrokerError."""
        loop = asyncio.get_running_loop()
        end, delay = loop.time() + PATIENCE_S, 0.05
        while True:
            try:
                return await attempt()
            except FORBIDDEN as error:
                raise SettingsError(f"{what}: Kafka does not allow it: {error}; give this user the rights") from error
            except NotImplementedError as error:
                raise SettingsError(f"{what}: this Kafka is too old; use 3.1 or newer") from error
            except (KafkaError, OSError, TimeoutError) as error:
                if loop.time() > end:
                    raise BrokerError(f"{what}: the broker did not answer for {PATIENCE_S:.0f} s: {error!r}") from error
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    async with asyncio.timeout(delay):  # asyncio.wait_for of 3.11 may swallow a cancellation
                        await self.client.force_metadata_update()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 1.0)

    async def any_node(self, request: Any) -> Any:
        """The answer of whichever node."""
        return await self.client.send(self.client.get_random_node(), request)
