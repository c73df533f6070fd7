"""What every command is given: settings, and how to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy.defaults import LEVEL
from schemas.errors import BadSettings

if TYPE_CHECKING:
    from reshelf.settings import Loaded, Settings

__all__ = ["Front"]

AT_LEAST_ONE = click.IntRange(min=1)
LEVEL_OPTION = click.option(
    "--level",
    type=click.FloatRange(0.5, 0.999),
    default=LEVEL,
    show_default=True,
    help="The level of the intervals.",
)


@dataclass
class Front:
    """The options that all commands share; commands get it by `@click.pass_obj`.

    Settings are read, and with `--embedded` servers started and topics created,
    when a command first asks for them; the servers stop when the command ends.
    """

    context: click.Context
    file: Path | None = None
    embedded: bool = False
    kafka_home: Path | None = None
    """Where Apache Kafka lies that is started in place of the embedded broker."""
    shards: int | None = None
    """Of how many shards a Redis Cluster is started in place of one Redis."""
    json: bool = False
    verbose: int = 0

    @property
    def settings(self) -> Settings:
        """All settings; raises `BadSettings`."""
        return self.loaded.settings

    @cached_property
    def loaded(self) -> Loaded:
        """All settings with the origin of each; raises `BadSettings`."""
        from reshelf.settings import load_settings
        from reshelf.terminal.logs import arrange

        settings = load_settings(self.file)
        arrange(settings.settings.log.format)
        if not self.embedded:
            return settings
        loaded = load_settings(self.file, self._start(), "--embedded")
        from reshelf.topics.admin import apply

        apply(loaded.settings.kafka)
        return loaded

    def require_state(self) -> None:
        """Raises BadSettings where Redis would be one that is started for the command, and so has no state."""
        if self.embedded:
            raise BadSettings("--embedded: a Redis that just started has no state. Use the settings of a running one.")

    def answer(self, content: Mapping[str, Any], text: str, *, file: bool = False, hang: int = 0) -> None:
        """Print one JSON object where `--json` was given, else the text; as it is where it is that of a `file`.

        What is broken in a narrow terminal goes on `hang` cells in.
        """
        from reshelf.terminal.prose import tell

        if self.json or file:
            click.echo(json.dumps(content, ensure_ascii=False, default=str) if self.json else text)
        else:
            tell(text, hang=hang)

    def _start(self) -> dict[str, Any]:
        from reshelf.processes.redis_cluster import embedded_cluster
        from reshelf.processes.servers import embedded_broker, embedded_redis, real_kafka

        broker = real_kafka(self.kafka_home) if self.kafka_home else embedded_broker()
        open_to_all = {"username": "", "password": "", "ca_file": "", "cert_file": "", "key_file": ""}
        bare = {f"{group}.{key}": value for group in ("kafka", "redis") for key, value in open_to_all.items()}
        store = embedded_cluster(self.shards) if self.shards else embedded_redis()
        return bare | {
            "kafka.bootstrap": self.context.with_resource(broker),
            "kafka.security_protocol": "PLAINTEXT",
            "kafka.replication": 1,
            "redis.url": self.context.with_resource(store),
            "redis.cluster": bool(self.shards),
        }
