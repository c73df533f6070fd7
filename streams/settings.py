"""Settings of the stream workers and of what they share with other programs, in typed groups.

The command line fills these from environment, file and defaults; a worker gets
them whole and never reads the environment itself.
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from policy import defaults
from schemas.messages import ATTRIBUTION_WINDOW_MS

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NAMESPACE = r"^[a-z0-9-]{1,32}$"

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Group(BaseModel):
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
        90 * DAY_MS, description="How long a time bucket is kept after its end, in milliseconds."
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
    max_clicks: Positive = Field(
        200_000, description="How many of a partition's newest clicks a purchase may be credited to."
    )
    clock_skew_ms: NotNegative = Field(
        1_000, description="How far the brokers' clocks may differ from the clock of this machine, in milliseconds."
    )


class LayoutSettings(Group):
    """How layouts are composed and published."""

    refresh_ms: Positive = Field(
        50,
        description="How long a page and segment waits after it was composed before it is composed again, in "
        "milliseconds.",
    )
    ttl_ms: Positive = Field(
        10 * 60_000, description="How long a layout stays valid after it was produced, in milliseconds."
    )
    epoch_ms: Positive = Field(
        DAY_MS, description="How long random numbers and visitors' variants stay the same, in milliseconds."
    )
    holdout_share: float = Field(0.1, ge=0, lt=1, description="The share of units that always get the baseline.")
    holdout_salt: str = Field(
        "holdout-1",
        min_length=1,
        max_length=64,
        description="The text that decides which units are in the holdout; another text draws others.",
    )
    half_life_ms: NotNegative = Field(
        defaults.HALF_LIFE_MS,
        description="After how much time the counts of a time bucket weigh half, in milliseconds; 0: all buckets "
        "weigh the same.",
    )
    drift: float = Field(
        defaults.DRIFT,
        ge=0,
        le=10,
        description="How much click rates change: the variance that the logarithm of an item's click rate gains in a "
        "day; 0: they do not change.",
    )
    click_rate: float = Field(
        defaults.CLICK_RATE,
        gt=0,
        lt=1,
        description="The click rate that an item which is looked at starts from before anything was fitted.",
    )
    strength: float = Field(
        defaults.STRENGTH,
        gt=0,
        description="How much the starting click rate of an item weighs, in examined impressions.",
    )
    exploration: float = Field(
        defaults.EXPLORATION,
        ge=0,
        le=10,
        description="How widely draws spread compared with the posterior; each page multiplies it by its own "
        "exploration.",
    )
    click_value: float = Field(1.0, ge=0, description="What a click is worth by itself.")
    sale_value: float = Field(
        0.0,
        ge=0,
        description="What one minor unit of margin sold through a click is worth, on the same scale as click_value; "
        "0: sales do not count.",
    )
    cpu_share: float = Field(
        0.5, gt=0, le=1, description="The share of its time that a layout worker may spend on composing."
    )


class FitterSettings(Group):
    """How the parameters of pages are fitted."""

    interval_s: float = Field(
        10.0,
        gt=0,
        description="How long the fitter waits before it fits a page again, in seconds; only a page whose counts "
        "changed is fitted.",
    )
    outlier_factor: float = Field(
        10.0,
        ge=0,
        description="How many times as often as in the median segment a segment must be clicked on to be left out of "
        "what other segments learn; 0: none is left out.",
    )


class ExperimentSettings(Group):
    """The experiment of learned layouts against the holdout, and when a page goes back to its baseline."""

    since_ms: NotNegative = Field(
        0,
        description="When the experiment began, in milliseconds since 1970; whole time buckets from then on count. 0: "
        "everything counts.",
    )
    pre_period_since_ms: NotNegative = Field(
        0,
        description="When a pre-period began that ends with since_ms and in which both sides were served the same, in "
        "milliseconds since 1970; 0: there is none.",
    )
    fallback: bool = Field(
        True, description="Whether a page that certainly loses more than is tolerated goes back to its baseline."
    )
    check_s: float = Field(60.0, gt=0, description="How often guard-rails are checked, in seconds.")
    tolerated_loss_clicks: float = Field(
        0.05, ge=0, le=1, description="The relative loss of clicks per page view that is tolerated; 1: any loss."
    )
    tolerated_loss_orders: float = Field(
        0.1, ge=0, le=1, description="The relative loss of orders per page view that is tolerated; 1: any loss."
    )
    tolerated_loss_revenue: float = Field(
        0.1, ge=0, le=1, description="The relative loss of revenue per page view that is tolerated; 1: any loss."
    )
