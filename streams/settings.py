"""Settings of the stream workers and of what they share with other programs, in typed groups.

The command line fills these from environment, file and defaults; a worker gets
them whole and never reads the environment itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from schemas.errors import BadSettings
from schemas.messages.pages import ATTRIBUTION_WINDOW_MS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NAMESPACE = r"^[a-z0-9-]{1,32}$"

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Changeable(BaseModel):
    """Settings of which a changed copy can be made."""

    def changed(self, **values: Any) -> Self:
        """A copy with these fields set, and validated as all are.

        A mapping changes fields of the group that it names: `changed(kafka={"prefix": "a-"})`.
        Raises `TypeError` for a field that there is not, `BadSettings` for a value that is invalid.
        """
        fields = type(self).model_fields
        if unknown := sorted(values.keys() - fields.keys()):
            raise TypeError(f"{type(self).__name__} has no {', '.join(unknown)}: expected some of {', '.join(fields)}.")
        content = {name: getattr(self, name) for name in self.model_fields_set}
        for name, value in values.items():
            before = getattr(self, name)
            nested = isinstance(before, Changeable) and isinstance(value, Mapping)
            content[name] = before.changed(**value) if nested else value
        try:
            return type(self)(**content)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise BadSettings(f"{type(self).__name__}: {'; '.join(problems)}.") from None


class Group(Changeable):
    """A group of settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Group):
    """How to reach the Kafka brokers, and how topics are named and created."""

    bootstrap: str = Field(
        "127.0.0.1:9092",
        min_length=1,
        description="The brokers to connect to first, as host:port, separated by commas.",
    )
    prefix: str = Field(
        "reshelf-", pattern=r"^[a-z0-9-]*$", description="The prefix of the name of every topic and consumer group."
    )
    partitions: Positive = Field(4, description="How many partitions event topics get when they are created.")
    replication: Positive = Field(
        1, description="How many copies of each partition the brokers keep when topics are created."
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="Whether connections to the brokers use TLS (SSL), SASL, both or neither (PLAINTEXT)."
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How clients log in where the security protocol uses SASL."
    )
    username: str = Field("", description="The user name for SASL.")
    password: SecretStr = Field(SecretStr(""), description="The password for SASL.")
    ca_file: str = Field(
        "",
        description="The PEM file of the certificate authority that signed the brokers' certificates; empty: the "
        "system's authorities.",
    )
    cert_file: str = Field("", description="The PEM file of the client's certificate, where the brokers ask for one.")
    key_file: str = Field("", description="The PEM file of the private key of the client's certificate.")
    session_timeout_s: float = Field(
        6.0,
        gt=0,
        description="How long a worker may be silent, in seconds, before its partitions move to other workers.",
    )
    stall_timeout_s: float = Field(
        60.0,
        gt=0,
        description="How long a worker may make no progress, in seconds, while it has work to do and all servers "
        "answer; then it exits.",
    )


class HealthSettings(Group):
    """Where a worker answers GET /live, /ready and /metrics."""

    port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="The port to listen at; several roles in one command take this one and the next ones. 0: no port "
        "is opened.",
    )
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="The address to listen at; any other than a loopback address needs a token.",
    )
    token: SecretStr = Field(
        SecretStr(""),
        description="The token that requests must send as `Authorization: Bearer ...`; empty: none is needed.",
    )
    max_lag: Positive = Field(
        100_000, description="How many records a worker may be behind the log and still be ready."
    )


class RedisSettings(Group):
    """How to reach Redis or Valkey, and which state to use there."""

    url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(rediss?|unix)://",
        description="The address of the server, beginning with redis://, rediss:// (TLS) or unix://.",
    )
    username: str = Field("", description="The user name, where the server's access list has one for Reshelf.")
    password: SecretStr = Field(SecretStr(""), description="The password of the user.")
    ca_file: str = Field(
        "",
        description="The PEM file of the certificate authority that signed the server's certificate; empty: the "
        "system's authorities.",
    )
    cert_file: str = Field("", description="The PEM file of the client's certificate, where the server asks for one.")
    key_file: str = Field("", description="The PEM file of the private key of the client's certificate.")
    cluster: bool = Field(
        False,
        validate_default=True,
        description="Whether `url` names nodes of a Redis Cluster, as host:port separated by commas.",
    )
    namespace: str = Field(
        "live",
        pattern=NAMESPACE,
        description="The name of the state that workers use; `reshelf state swap` changes which state it stands for.",
    )
    groups: int = Field(
        16,
        ge=1,
        le=1024,
        description="How many state groups a namespace is divided into; fixed when the namespace is created.",
    )

    @field_validator("url")
    @classmethod
    def _readable(cls, url: str) -> str:
        """What redis-py would fail on, or silently read as database 0."""
        user, at, hosts = url.rpartition("@")
        parts = urlsplit(user + at + hosts.partition(",")[0])
        database = parse_qs(parts.query).get("db", [parts.path.strip("/")])[0]
        if parts.scheme == "unix":
            return url
        with contextlib.suppress(ValueError):
            if parts.port != 0 and (not database or database.isdecimal()):
                return url
        raise PydanticCustomError("redis_url", "redis://host:port/database, with a port up to 65535 and a number last")

    @field_validator("cluster")
    @classmethod
    def _alone(cls, cluster: bool, info: ValidationInfo) -> bool:
        if not cluster and "," in info.data.get("url", "").rpartition("@")[2]:
            raise PydanticCustomError("redis_cluster", "true, as redis.url names several nodes")
        return cluster


class FoldSettings(Group):
    """What is counted and how; a namespace keeps the settings that it was made with."""

    currency: str = Field(
        "EUR",
        pattern="^[A-Z]{3}$",
        description="The currency of all amounts as its ISO code; purchases in another one are dead-lettered.",
    )
    amount_cap: int = Field(
        1_000_000,
        ge=1,
        le=1_300_000,
        description="The largest amount, in minor units, that one purchase line counts for.",
    )
    bucket_ms: NotNegative = Field(
        DAY_MS, description="How much event time one time bucket covers, in milliseconds; 0: one bucket for all time."
    )
    bucket_ttl_ms: Positive = Field(
        90 * DAY_MS,
        description="How long a time bucket is kept after its end, in milliseconds; old ones are added up in spans, "
        "each of which is kept after its own end.",
    )
    allowed_lateness_ms: NotNegative = Field(
        2 * DAY_MS, description="How late an event may be appended after it happened, in milliseconds; 0: any time."
    )
    max_clock_skew_ms: NotNegative = Field(
        5 * 60_000,
        description="How far in the future an event's time may be when it is appended, in milliseconds; 0: any time.",
    )
    duplicate_window: Positive = Field(
        100_000,
        description="Over how many preceding offsets of its partition a repeated event_id is recognised as a "
        "duplicate.",
    )
    unit_impressions: NotNegative = Field(
        2_000,
        description="How many impressions of one unit count on one day, within duplicate_window offsets; 0: all of "
        "them.",
    )
    unit_clicks: NotNegative = Field(
        100,
        description="How many clicks of one unit count on one day, within duplicate_window offsets; 0: all of them.",
    )
    max_keys: Positive = Field(
        2_000,
        description="How many distinct pairs of page and segment one source partition may bring into a time bucket.",
    )
    max_items: Positive = Field(
        50_000,
        description="How many distinct pairs of page and item one source partition may bring into a time bucket.",
    )
    max_slots: Positive = Field(
        2_000, description="How many distinct pairs of page and slot one source partition may bring into a time bucket."
    )


class LearnerSettings(Group):
    """How the learner runs; none of this changes what is in the state."""

    linger_ms: NotNegative = Field(
        30,
        description="How long the learner waits for more events where few have come, in milliseconds, which saves "
        "work; 0: it does not wait.",
    )
    impressions_ms: NotNegative = Field(
        500,
        description="How long the learner waits for more impressions where few have come, in milliseconds; each of "
        "them changes little. 0: as for other events.",
    )
    compiled: bool = Field(True, description="Whether the compiled fast path of the fold is used, where it was built.")
    advance_s: float = Field(
        1.0,
        gt=0,
        description="How often the watermarks of state groups without new events are moved forward, in seconds.",
    )
    alarm_share: float = Field(
        0.05, gt=0, le=1, description="The share of invalid records among the recent ones that raises an alarm."
    )
    stop_share: float = Field(
        0.9,
        gt=0,
        le=2,
        description="The share of invalid records among the recent ones at which the learner stops; above 1: it never "
        "stops.",
    )
    window_records: Positive = Field(10_000, description="How many records alarm_share and stop_share are taken of.")
    accept_loss: bool = Field(
        False, description="Whether to go on when records were deleted from the log before they were applied."
    )


class AttributionSettings(Group):
    """How purchases are credited to clicks."""

    grace_ms: NotNegative = Field(
        5_000,
        description="How long after a purchase a click may be appended and still be credited with it, in milliseconds.",
    )
    window_ms: Positive = Field(
        ATTRIBUTION_WINDOW_MS,
        description="How long before a purchase a click may have happened, in milliseconds, on pages that declare no "
        "window of their own.",
    )
    folder: str = Field(
        "",
        description="The folder on a local disk where a worker keeps the clicks of its partitions, best on a volume "
        "that outlives it; empty: reshelf/clicks in $XDG_STATE_HOME or ~/.local/state.",
    )
    memory_mb: int = Field(
        256,
        ge=16,
        description="How much memory the clicks on disk may take in one worker for what is read and written often, "
        "in MiB.",
    )
    clock_skew_ms: NotNegative = Field(
        1_000, description="How far the brokers' clocks may differ from the clock of this machine, in milliseconds."
    )
