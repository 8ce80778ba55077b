"""How to reach a Kafka cluster, of the settings: servers, TLS, user."""

import ssl
from typing import Any

from lockstep.errors import SettingsError
from lockstep.settings import Settings
from lockstep.text.host import host_fault

METADATA_AGE_S = 10.0
REQUEST_S = 30.0


def servers_of(url: str) -> list[str]:
    """host:port of each broker in kafka://HOST[:PORT][,HOST[:PORT]]."""
    names = [n.strip() for n in url.removeprefix("kafka://").rstrip("/").split(",")]
    if not all(names):
        raise SettingsError(f"LOCKSTEP_BROKER: '{url}' names no broker; write kafka://HOST:PORT[,HOST:PORT]")
    servers = []
    for name in names:
        host, _, port = name.rpartition(":") if ":" in name.rsplit("]", 1)[-1] else (name, "", "9092")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SettingsError(f"LOCKSTEP_BROKER: '{name}' in '{url}' is no HOST:PORT; write kafka://HOST:PORT")
        fault = host_fault(host)
        if fault is not None:
            raise SettingsError(f"LOCKSTEP_BROKER: {'; '.join(fault)}")
        servers.append(f"{host}:{port}")
    return servers


def client_options(settings: Settings) -> dict[str, Any]:
    """What every client of the library needs to know to get in. Raises SettingsError."""
    protocol = settings.kafka_security_protocol.upper()
    options: dict[str, Any] = {
        "bootstrap_servers": servers_of(settings.broker),
        "client_id": settings.app_id,
        "security_protocol": protocol,
        "metadata_max_age_ms": round(METADATA_AGE_S * 1000),
        "request_timeout_ms": round(REQUEST_S * 1000),
    }
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        raise SettingsError(
            f"LOCKSTEP_KAFKA_SECURITY_PROTOCOL: '{protocol}'; write PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
        )
    if protocol.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    if protocol.startswith("SASL"):
        if settings.kafka_sasl_username is None or settings.kafka_sasl_password is None:
            raise SettingsError(
                f"{protocol} needs a user: set LOCKSTEP_KAFKA_SASL_USERNAME and LOCKSTEP_KAFKA_SASL_PASSWORD"
            )
        mechanism = settings.kafka_sasl_mechanism.upper()
        if mechanism not in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            raise SettingsError(
                f"LOCKSTEP_KAFKA_SASL_MECHANISM: '{mechanism}'; write PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
            )
        options["sasl_mechanism"] = mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options


def _ssl_context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ssl_cafile)
        if settings.kafka_ssl_certfile is not None:
            context.load_cert_chain(settings.kafka_ssl_certfile, settings.kafka_ssl_keyfile)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"the TLS files cannot be used: {error}; "
            "see LOCKSTEP_KAFKA_SSL_CAFILE, LOCKSTEP_KAFKA_SSL_CERTFILE and LOCKSTEP_KAFKA_SSL_KEYFILE"
        ) from error
    return context
