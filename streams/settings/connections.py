"""How to reach the brokers and Redis, and where a worker's health is served."""

from __future__ import annotations

import contextlib
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from streams.settings.credentials import without_credentials
from streams.settings.group import Group, Positive

NAMESPACE = r"^[a-z0-9-]{1,32}$"


class KafkaSettings(Group):
    """How to reach the Kafka brokers, and how topics are named and created."""

    bootstrap: str = Field(
        "127.0.0.1:9092",
        min_length=1,
        description="The brokers to connect to first, as host:port, with commas between.",
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
        "127.0.0.1", min_length=1, description="The address to listen at; all but loopback addresses need a token."
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
        description="The address of the server, beginning with redis://, rediss:// (TLS) or unix://. A user and a "
        "password in it are taken as `redis.username` and `redis.password`, and shown nowhere.",
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

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, content: Any) -> Any:
        """User and password in the address count over those beside it, and are kept where no secret is shown."""
        if not isinstance(content, dict) or not isinstance(content.get("url"), str):
            return content
        url, username, password = without_credentials(content["url"])
        user = {"username": username, "password": password}
        return content | {"url": url} | {name: value for name, value in user.items() if value}

    @field_validator("url")
    @classmethod
    def _readable(cls, url: str) -> str:
        """What redis-py would fail on, or silently read as database 0."""
        parts = urlsplit(url.partition(",")[0])
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
        if not cluster and "," in info.data.get("url", ""):
            raise PydanticCustomError("redis_cluster", "true, as redis.url names several nodes")
        return cluster
