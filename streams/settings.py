"""What the stream workers can be told, in typed groups.

The command line fills these from environment, file and defaults; a worker gets
them whole and never reads the environment itself.
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NAMESPACE = r"^[a-z0-9-]{1,32}$"

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Group(BaseModel):
    """A group of settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Group):
    """How to reach the brokers, and what the topics are called there."""

    bootstrap: str = Field("127.0.0.1:9092", min_length=1, description="Brokers, host:port, comma between them.")
    prefix: str = Field("reshelf-", pattern=r"^[a-z0-9-]*$", description="Put before every topic and group name.")
    partitions: Positive = Field(4, description="Partitions of the event topics when they are created.")
    replication: Positive = Field(1, description="Copies of each partition when topics are created.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: str = Field("", description="PEM file with the certificate authority; empty takes the system's.")
    cert_file: str = Field("", description="PEM file with the client's certificate.")
    key_file: str = Field("", description="PEM file with the client's private key.")
    session_timeout_s: float = Field(6.0, gt=0, description="A worker silent for so long loses its partitions.")
    stall_timeout_s: float = Field(
        60.0, gt=0, description="A worker without progress for so long, for no reason, ends."
    )


class HealthSettings(Group):
    """Where a worker says how it is: GET /live and /ready."""

    port: int = Field(0, ge=0, le=65_535, description="Port; several roles take it and the next ones. 0: none.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen at; beyond loopback with a token only.")
    token: SecretStr = Field(SecretStr(""), description="Asked for as `Authorization: Bearer ...` where set.")
    max_lag: Positive = Field(100_000, description="Not ready with more records than this to apply.")


class ConsoleSettings(Group):
    """Where the console listens, and who may look."""

    port: int = Field(8765, ge=0, le=65_535, description="Port; 0 takes a free one.")
    host: str = Field("127.0.0.1", min_length=1, description="Address to listen at; beyond loopback with a token only.")
    token: SecretStr = Field(SecretStr(""), description="Asked for once in each browser, where set.")


class RedisSettings(Group):
    """How to reach Redis or Valkey; rediss:// means TLS."""

    url: str = Field(
        "redis://127.0.0.1:6379/0", pattern=r"^(rediss?|unix)://", description="redis://, rediss:// or unix://."
    )
    username: str = ""
    password: SecretStr = SecretStr("")
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    cluster: bool = Field(
        False,
        description="Whether `url` names nodes of a Redis Cluster, host:port with commas.",
        validate_default=True,
    )
    namespace: str = Field("live", pattern=NAMESPACE, description="Name of the state.")
    groups: int = Field(16, ge=1, le=1024, description="State groups; fixed when the namespace is created.")

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
    """What shapes the fold.  A digest of it is in the namespace's manifest."""

    currency: str = Field("EUR", pattern="^[A-Z]{3}$", description="Currency of all amounts; others are dead-lettered.")
    amount_cap: int = Field(1_000_000, ge=1, le=1_300_000, description="A purchase line counts for at most this.")
    bucket_ms: NotNegative = Field(DAY_MS, description="Width of a time bucket; 0 keeps one bucket for all time.")
    bucket_ttl_ms: Positive = Field(90 * DAY_MS, description="A bucket is dropped so long after its end.")
    allowed_lateness_ms: NotNegative = Field(2 * DAY_MS, description="Lateness beyond this is refused; 0 accepts any.")
    max_clock_skew_ms: NotNegative = Field(5 * 60_000, description="Earliness beyond this is refused; 0 accepts any.")
    duplicate_window: Positive = Field(100_000, description="Offsets in which an event_id is a duplicate.")
    unit_impressions: NotNegative = Field(
        2_000, description="Impressions of a unit that count on a day, within duplicate_window offsets; 0: any number."
    )
    unit_clicks: NotNegative = Field(
        100, description="Clicks of a unit that count on a day, within duplicate_window offsets; 0: any number."
    )
    max_keys: Positive = Field(2_000, description="Distinct pages and segments per source partition and bucket.")
    max_items: Positive = Field(50_000, description="Distinct items of pages per source partition and bucket.")
    max_slots: Positive = Field(2_000, description="Distinct slots of pages per source partition and bucket.")


class LearnerSettings(Group):
    """How the learner runs; none of it changes what is in the state."""

    linger_ms: NotNegative = Field(30, description="Few events wait so long for more, which saves work; 0: never.")
    impressions_ms: NotNegative = Field(
        500, description="Few impressions wait so long for more: they are many, and each moves little; 0: as others."
    )
    compiled: bool = Field(True, description="Take the compiled shortcut of the fold, where it was built.")
    advance_s: float = Field(1.0, gt=0, description="Groups that no batch touched are moved along so often.")
    alarm_share: float = Field(0.05, gt=0, le=1, description="Share of invalid records that raises an alarm.")
    stop_share: float = Field(0.9, gt=0, le=2, description="Share of invalid records to stop at; above 1: never.")
    window_records: Positive = Field(10_000, description="How many records count as recent for both shares.")
    accept_loss: bool = Field(False, description="Go on when the log begins after the watermark (records are gone).")


class AttributionSettings(Group):
    """How purchases are credited to clicks."""

    grace_ms: NotNegative = Field(5_000, description="Clicks appended so long after a purchase still count for it.")
    window_ms: Positive = Field(7 * DAY_MS, description="Click to purchase at most, for pages that declare none.")
    max_clicks: Positive = Field(200_000, description="Clicks before a purchase that it may be credited to.")
    clock_skew_ms: NotNegative = Field(1_000, description="Brokers' clocks differ from ours by at most this.")


class LayoutSettings(Group):
    """How layouts are composed and published."""

    refresh_ms: Positive = Field(50, description="A key is composed again at most once in this time.")
    ttl_ms: Positive = Field(10 * 60_000, description="A layout expires so long after it was produced.")
    epoch_ms: Positive = Field(DAY_MS, description="Random numbers and variants rotate with the epoch.")
    holdout_share: float = Field(0.1, ge=0, lt=1, description="Share of units that always get the baseline.")
    holdout_salt: str = Field("holdout-1", min_length=1, max_length=64, description="Decides who is in the holdout.")
    half_life_ms: NotNegative = Field(0, description="Buckets so old weigh half; 0: all weigh alike.")
    drift: float = Field(
        0.0, ge=0, le=10, description="Variance by which the logarithm of an item's click rate moves in a day."
    )
    click_rate: float = Field(0.02, gt=0, lt=1, description="Prior click rate of an item that is looked at.")
    strength: float = Field(50.0, gt=0, description="Weight of that prior, in examined impressions.")
    exploration: float = Field(
        0.33, ge=0, le=10, description="Spread of draws against that of the posterior; pages scale it by their own."
    )
    click_value: float = Field(1.0, ge=0, description="Worth of a click by itself.")
    sale_value: float = Field(
        0.0,
        ge=0,
        description="Worth of a minor unit of margin sold through a click, on the same scale; 0: clicks alone.",
    )
    cpu_share: float = Field(0.5, gt=0, le=1, description="Share of a worker's time that composing may take.")


class FitterSettings(Group):
    """How often the parameters of pages are fitted."""

    interval_s: float = Field(10.0, gt=0, description="A page is fitted at most so often, when its counts changed.")
    outlier_factor: float = Field(
        10.0, ge=0, description="A segment clicked on so much more than the median one teaches no other; 0: all teach."
    )


class ExperimentSettings(Group):
    """The experiment of learned layouts against the holdout, and when a page goes back to its baseline."""

    since_ms: NotNegative = Field(0, description="Counts whole buckets from this time on, milliseconds since 1970.")
    pre_period_since_ms: NotNegative = Field(
        0, description="From here to since_ms both sides were served alike: a pre-period; 0: there is none."
    )
    fallback: bool = Field(True, description="Whether a page whose loss is certain goes back to its baseline.")
    check_s: float = Field(60.0, gt=0, description="Guard-rails are looked at so often.")
    tolerated_loss_clicks: float = Field(
        0.05, ge=0, le=1, description="Relative loss of clicks per page view that is borne."
    )
    tolerated_loss_orders: float = Field(0.1, ge=0, le=1, description="The same for orders; 1: any loss.")
    tolerated_loss_revenue: float = Field(0.1, ge=0, le=1, description="The same for revenue.")


class LogSettings(Group):
    """How log lines on standard error look."""

    format: Literal["auto", "json", "text"] = Field(
        "auto", description="json: one object a line; text: for people; auto: text on a terminal, else json."
    )


class RunsSettings(Group):
    """Where records of replays, evaluations and tunings are kept."""

    folder: str = Field("", description="A folder, for `reshelf runs`; empty: none are kept.")
