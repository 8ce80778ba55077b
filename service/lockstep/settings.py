"""Environment → one frozen Settings; deploy/lockstep.env.example is made from here."""

import re
from contextlib import suppress
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lockstep.errors import SettingsError
from lockstep.text.host import host_fault, unfilled, url_fault
from lockstep.text.requirement import must
from lockstep.text.time_units import DAY_S

LONGEST_TOPIC = 249
"""Characters of a topic's name that Kafka takes."""
OWN_TOPICS = "lockstep."
"""How the topics begin that Lockstep writes itself."""
SHORTEST_KEY = 16
"""Characters of a key that links are signed with."""
_SECRET_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_TOPIC = re.compile(rf"[a-zA-Z0-9._-]{{1,{LONGEST_TOPIC}}}")


class Settings(BaseSettings):
    """What an operator can set, with defaults that work on a laptop. Durations are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="LOCKSTEP_",
        frozen=True,
        extra="ignore",
        # A line of the example with nothing behind it, or a variable that compose passes on though it is not set.
        env_ignore_empty=True,
    )

    broker: str = Field(
        "sqlite:///lockstep.db", description="Where events live: sqlite:///FILE or kafka://HOST:PORT[,HOST:PORT]"
    )
    broker_patience: float = Field(
        10, description="How long a command waits for a broker that is away; serve waits until it comes", ge=0
    )
    rules: Path = Field(Path("rules"), description="Folder of rule files")
    timezone: str = Field("Europe/London", description="The shop's time zone: baselines, hours and shown times use it")
    currency: str = Field(
        "",
        description="What money is counted in, EUR or €, where a rule's labels and filters name no currency",
        max_length=8,
    )
    working_hours: str = Field(
        "Mon-Fri 08:00-18:00",
        description="When people are at work, several joined by `;`; a backtest counts alerts outside of it",
    )
    http_host: str = Field(
        "127.0.0.1", description="Address to listen on; anything but loopback needs LOCKSTEP_API_TOKEN"
    )
    http_port: int = Field(8480, description="Port of the API, /metrics, /healthz and /readyz", ge=0, le=65535)
    public_url: str | None = Field(
        None, description="Where people reach the API, https://lockstep.shop.example: messages link to it"
    )
    api_token: SecretStr | None = Field(
        None, description="Bearer token of the API; without one the server stays on loopback"
    )
    link_key: SecretStr | None = Field(
        None,
        description="Key that links in messages are signed with, several joined by `,`, the newest first; on SQLite "
        "one is made beside the file, on Kafka there are no links without it; all workers have the same",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="console, json, or auto: console on a terminal, JSON elsewhere"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")

    shopify_secrets: str = Field(
        "SHOPIFY",
        description="Names of the secrets that Shopify's webhooks are signed with, several joined by `,`: SHOPIFY is "
        "read from LOCKSTEP_SECRET_SHOPIFY, or from the file that LOCKSTEP_SECRET_SHOPIFY_FILE names",
    )
    woocommerce_secrets: str = Field(
        "WOOCOMMERCE", description="Names of the secrets that WooCommerce's webhooks are signed with, likewise"
    )
    segment_secrets: str = Field(
        "SEGMENT", description="Names of the secrets that Segment's webhooks are signed with, likewise"
    )

    slack_signing_secrets: str = Field(
        "SLACK_SIGNING",
        description="Names of the secrets that Slack signs pressed buttons with, likewise; while none is set, messages "
        "have no buttons that act",
    )

    topic_orders: str = Field("orders", description="Topic of order and feedback events")
    topic_traffic: str = Field("traffic", description="Topic of traffic events")
    topic_inventory: str = Field("inventory", description="Topic of stock and supplier events")
    topic_plans: str = Field("plans", description="Topic of campaign and capacity events")
    lateness: float = Field(10, description="How long stragglers are waited for, in event time", ge=0)
    lateness_orders: float | None = Field(None, description="Lateness of the orders topic, where it differs", ge=0)
    lateness_traffic: float | None = Field(None, description="Lateness of the traffic topic, where it differs", ge=0)
    lateness_inventory: float | None = Field(
        None, description="Lateness of the inventory topic, where it differs", ge=0
    )
    future_limit: float = Field(
        300, description="An event this far ahead of the time the broker got it is refused", gt=0
    )
    idle_after: float = Field(
        30, description="A topic read to its end for this long counts as quiet, and time goes on without it", gt=0
    )
    flush_interval: float = Field(0.05, description="Longest wait between two flushes of meter and judge", gt=0)
    chunk_size: int = Field(8192, description="Offsets in a chunk; fixed for the life of a topic", ge=16)

    source_partitions: int = Field(
        0, description="Partitions of input topics that Lockstep creates; 0: 1 on SQLite, 4 on Kafka", ge=0
    )
    samples_partitions: int = Field(
        0, description="Partitions of lockstep.samples; 0: 1 on SQLite, 4 on Kafka; fixed once made", ge=0
    )
    delivery_partitions: int = Field(
        0, description="Partitions of lockstep.deliveries; 0: 1 on SQLite, 4 on Kafka; fixed once made", ge=0
    )
    create_source_topics: bool = Field(
        True, description="Create missing input topics; false: wait for them and name them"
    )
    retention: float = Field(
        7 * DAY_S, description="How long events, samples, deliveries and dead letters are kept", gt=0
    )
    alert_retention: float = Field(30 * DAY_S, description="How long lockstep.alerts is kept", gt=0)

    group_wait: float = Field(10, description="How long transitions of a rule are gathered for people", ge=0)

    charts: bool = Field(True, description="Draw what was measured into mails and Slack messages")

    app_id: str = Field("lockstep", description="Consumer group; two services on one broker need two names")
    kafka_replication: int = Field(
        0, description="Replication factor of topics that Lockstep creates; 0: the broker's default", ge=0
    )
    kafka_session_timeout: float = Field(6, description="A worker silent for this long loses its partitions", gt=0)
    kafka_heartbeat_interval: float = Field(1, description="How often a worker says that it lives", gt=0)
    kafka_lean: bool = Field(
        True, description="Read records without building one object each; false: the client's own path"
    )
    kafka_security_protocol: str = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    kafka_sasl_mechanism: str = Field("PLAIN", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    kafka_sasl_username: str | None = Field(None, description="SASL user name")
    kafka_sasl_password: SecretStr | None = Field(None, description="SASL password")
    kafka_ssl_cafile: Path | None = Field(None, description="CA certificates of the brokers")
    kafka_ssl_certfile: Path | None = Field(None, description="Client certificate")
    kafka_ssl_keyfile: Path | None = Field(None, description="Key of the client certificate")

    smtp_host: str = Field("127.0.0.1", description="Mail relay")
    smtp_port: int = Field(25, description="Port of the mail relay", ge=1, le=65535)
    smtp_tls: Literal["none", "starttls", "tls"] = Field("none", description="none, starttls or tls")
    smtp_username: str | None = Field(None, description="User name at the mail relay")
    smtp_password: SecretStr | None = Field(None, description="Password at the mail relay")
    smtp_from: str = Field("lockstep@localhost", description="Sender address; its domain is used in message ids")
    slack_base_url: str = Field(
        "https://slack.com/api/", description="Slack's Web API; tests and the demo point it elsewhere"
    )

    @field_validator("log_format", "log_level", "smtp_tls", mode="before")
    @classmethod
    def _in_any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("topic_orders", "topic_traffic", "topic_inventory", "topic_plans")
    @classmethod
    def _a_topic(cls, value: str, info: ValidationInfo) -> str:
        if not _TOPIC.fullmatch(value) or value in (".", ".."):
            form = f"write letters, digits, '.', '_' and '-', at most {LONGEST_TOPIC} of them"
            return _as_one(f"{value[:LONGEST_TOPIC]!r} is no name of a topic; {form}", value)
        if value.startswith(OWN_TOPICS):
            raise ValueError(f"{value!r} is named like a topic of Lockstep's own; name the shop's topic")
        other = next((name for name, topic in info.data.items() if name.startswith("topic_") and topic == value), None)
        if other is not None:
            raise ValueError(f"{value!r} is LOCKSTEP_{other.upper()}, too; give each its own topic")
        return value

    @field_validator("api_token")
    @classmethod
    def _one_word(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
            raise ValueError("a token is one word of ASCII characters; `openssl rand -hex 24` makes one")
        return value

    @field_validator("link_key")
    @classmethod
    def _long_keys(cls, value: SecretStr | None) -> SecretStr | None:
        keys = [] if value is None else [key.strip() for key in value.get_secret_value().split(",")]
        if any(len(key) < SHORTEST_KEY for key in keys):
            form = f"a key has at least {SHORTEST_KEY} characters"
            raise ValueError(f"{form}; `openssl rand -hex 32` makes one, and several are joined by ','")
        return value

    @field_validator("shopify_secrets", "woocommerce_secrets", "segment_secrets", "slack_signing_secrets")
    @classmethod
    def _names_of_secrets(cls, value: str) -> str:
        if not all(_SECRET_NAME.fullmatch(name.strip()) for name in value.split(",")):
            # The value is not shown: it may be the secret itself.
            raise ValueError("names of secrets, joined by ',', are meant, SHOPIFY,SHOPIFY_NEW; none has another form")
        return value

    @field_validator("smtp_host")
    @classmethod
    def _a_host(cls, value: str) -> str:
        return _as_one("; ".join(host_fault(value) or ()), value)

    @field_validator("public_url", "slack_base_url")
    @classmethod
    def _a_url(cls, value: str | None) -> str | None:
        form = "must be http(s)://host/path, without a user", "write one like https://shop.example.com"
        return value and _as_one("; ".join(url_fault(value, form) or ()), value)

    @field_validator("smtp_from")
    @classmethod
    def _an_address(cls, value: str) -> str:
        name, _, domain = parseaddr(value)[1].rpartition("@")
        form = "must be an address; write one like Lockstep <alerts@shop.example.com>"
        return _as_one("" if name and value.isprintable() and not host_fault(domain) else form, value)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"no such time zone: {value!r}; write one like Europe/London") from error
        return value

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def url(self, port: int | None = None) -> str:
        """Where the API is reached from this machine. port: the one in use, where the setting is 0."""
        host = self.http_host
        with suppress(ValueError):
            address = ip_address(host)
            if address.is_unspecified:
                host = "127.0.0.1" if address.version == 4 else "::1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.http_port if port is None else port}"

    @property
    def is_sqlite(self) -> bool:
        return self.broker.startswith("sqlite:")

    @property
    def topics(self) -> dict[str, str]:
        """Role (orders, traffic, inventory, plans) → topic name."""
        return {
            "orders": self.topic_orders,
            "traffic": self.topic_traffic,
            "inventory": self.topic_inventory,
            "plans": self.topic_plans,
        }

    @property
    def webhook_secrets(self) -> dict[str, tuple[str, ...]]:
        """Sender of webhooks → the names of the secrets that may sign them."""
        given = {
            "shopify": self.shopify_secrets,
            "woocommerce": self.woocommerce_secrets,
            "segment": self.segment_secrets,
        }
        return {sender: _names(names) for sender, names in given.items()}

    @property
    def slack_signing(self) -> tuple[str, ...]:
        """The names of the secrets that Slack signs pressed buttons with."""
        return _names(self.slack_signing_secrets)

    @property
    def link_keys(self) -> tuple[str, ...]:
        """The keys of links, the newest first; none where none is set."""
        given = "" if self.link_key is None else self.link_key.get_secret_value()
        return tuple(key.strip() for key in given.split(",") if key)

    def lateness_of(self, role: str) -> float:
        """Seconds that stragglers of a topic's role are waited for."""
        own = getattr(self, f"lateness_{role}", None)
        return self.lateness if own is None else float(own)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _as_one(fault: str, value: str) -> str:
    """The value, where it has no fault. Raises ValueError with the fault, or with what is still to be filled in."""
    left = unfilled(value)
    if left is not None:
        raise ValueError(f"'{left}' is not filled in; write what it stands for")
    if fault:
        raise ValueError(fault)
    return value


def _said(error: Any) -> str:
    """What is wrong with a setting, in plain words. error: one of pydantic."""
    if error["type"] == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return f"must {must(error['type'], error.get('ctx', {}))}"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; `overrides` (command-line options) win where they are not None.

    Raises SettingsError naming every variable that is wrong.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type] # pydantic checks what mypy cannot see
    except ValidationError as error:
        faults = "; ".join(f"LOCKSTEP_{'_'.join(str(p) for p in e['loc']).upper()}: {_said(e)}" for e in error.errors())
        raise SettingsError(f"settings: {faults}") from error
