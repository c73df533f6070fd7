"""All settings: environment over a TOML file over defaults, each value with its origin.

The groups belong to the rooms that use them; here they are put together, read
once, checked whole, and handed on as one immutable value.
"""

from __future__ import annotations

import difflib
import inspect
import json
import os
import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from reshelf import service_settings as services
from schemas.errors import BadSettings
from schemas.foreign_content import encoding_of
from schemas.times import odd_unit
from streams import settings as streamed
from streams.page_settings import ExperimentSettings, FitterSettings, LayoutSettings, SegmentSettings
from streams.settings import Changeable, Group
from streams.settings.credentials import HIDDEN, masked

PREFIX = "RESHELF_"
FILE_VARIABLE = "RESHELF_SETTINGS"
DEFAULT_FILE = Path("reshelf.toml")
DEFAULT = "default"
TEMPLATE_WIDTH = 100
REMOVED = {
    "fold.duplicate_window": "the window of duplicates is a time: delete it, or set fold.duplicate_window_ms",
    "attribution.max_clicks": "all clicks of the attribution window are kept, on disk in attribution.folder; delete it",
}
"""Settings that there were, and what to do about them."""

Values = dict[str, Any]


class Settings(Changeable, BaseSettings):
    """Every setting of every part; made by `load_settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True)

    kafka: streamed.KafkaSettings = Field(default_factory=streamed.KafkaSettings)
    redis: streamed.RedisSettings = Field(default_factory=streamed.RedisSettings)
    shop: streamed.ShopSettings = Field(default_factory=streamed.ShopSettings)
    health: streamed.HealthSettings = Field(default_factory=streamed.HealthSettings)
    fold: streamed.FoldSettings = Field(default_factory=streamed.FoldSettings)
    learner: streamed.LearnerSettings = Field(default_factory=streamed.LearnerSettings)
    attribution: streamed.AttributionSettings = Field(default_factory=streamed.AttributionSettings)
    layouts: LayoutSettings = Field(default_factory=LayoutSettings)
    experiment: ExperimentSettings = Field(default_factory=ExperimentSettings)
    fitter: FitterSettings = Field(default_factory=FitterSettings)
    segments: SegmentSettings = Field(default_factory=SegmentSettings)
    console: services.ConsoleSettings = Field(default_factory=services.ConsoleSettings)
    publishing: services.PublishingSettings = Field(default_factory=services.PublishingSettings)
    mcp: services.McpSettings = Field(default_factory=services.McpSettings)
    notices: services.NoticeSettings = Field(default_factory=services.NoticeSettings)
    edge: services.EdgeSettings = Field(default_factory=services.EdgeSettings)
    encoder: services.EncoderSettings = Field(default_factory=services.EncoderSettings)
    pictures: services.PicturesSettings = Field(default_factory=services.PicturesSettings)
    runs: services.RunsSettings = Field(default_factory=services.RunsSettings)
    log: services.LogSettings = Field(default_factory=services.LogSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed: `load_settings` asks the sources itself, to know where a value came from."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and for each key (`kafka.bootstrap`) that has no default value where it came from."""

    settings: Settings
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Where the value of a key came from, in words."""
        return self.origins.get(key, DEFAULT)


def load_settings(file: Path | None = None, overrides: Mapping[str, Any] | None = None, why: str = "") -> Loaded:
    """Read and check all settings.

    `file` defaults to what RESHELF_SETTINGS names, else to `reshelf.toml` where it
    exists.  `overrides` (`{"kafka.bootstrap": ...}`) win over everything; `why`
    names them as an origin.  Raises `BadSettings` naming every wrong key.
    """
    path = file or (Path(named) if (named := os.environ.get(FILE_VARIABLE)) else None)
    if path is None and DEFAULT_FILE.is_file():
        path = DEFAULT_FILE
    layers = [(_from_file(path), f"file {path}"), (_from_environment(), "environment"), (_nested(overrides or {}), why)]
    values, origins = Values(), dict[str, str]()
    for layer, source in layers:
        for key, value in _flat(layer):
            origins[key] = f"environment {variable(key)}" if source == "environment" else source
            _put(values, key, value)
    try:
        loaded = Loaded(Settings(**values), origins)
    except ValidationError as error:
        lines = [_complaint(detail, origins) for detail in error.errors()]
        raise BadSettings("wrong settings\n  " + "\n  ".join(lines)) from None
    _check_together(loaded)
    return loaded


def _check_together(loaded: Loaded) -> None:
    """Raises BadSettings where keys that are right by themselves do not go together."""
    for key in ("experiment.since_ms", "experiment.pre_period_since_ms"):
        if odd := odd_unit(_value(loaded.settings, key)):
            raise BadSettings(f"{key}: expected milliseconds since 1970 (from {loaded.origin(key)}): {odd}.")
    if loaded.settings.segments.publish_units and not loaded.settings.segments.learned:
        origin = loaded.origin("segments.publish_units")
        raise BadSettings(
            f"segments.publish_units: expected false without segments.learned, got true (from {origin}). "
            "Set both, or none."
        )
    if (since := loaded.settings.experiment.since_ms) and not loaded.settings.fold.bucket_ms:
        raise BadSettings(
            f"experiment.since_ms: expected 0 where fold.bucket_ms is 0, got {since} "
            f"(from {loaded.origin('experiment.since_ms')}): the one bucket began before, so nothing would count. "
            "Set it to 0, or set fold.bucket_ms and replay into a new namespace."
        )


def fields() -> Iterator[tuple[str, FieldInfo]]:
    """Every key (`kafka.bootstrap`) with its declaration, in order."""
    for group, declared in Settings.model_fields.items():
        for name, field in _group(declared).model_fields.items():
            yield f"{group}.{name}", field


def variable(key: str) -> str:
    """The environment variable of a key."""
    return PREFIX + key.upper().replace(".", "__")


def values_with_sources(loaded: Loaded) -> list[tuple[str, Any, str]]:
    """(key, value without secrets, origin) of every setting."""
    return [(key, value, loaded.origin(key)) for key, value in shown_values(loaded.settings)]


def shown_values(settings: Settings) -> list[tuple[str, Any]]:
    """(key, value without secrets) of every setting."""
    return [(key, _redacted(_value(settings, key))) for key, _ in fields()]


def as_environment(settings: Settings) -> dict[str, str]:
    """Variables with which a child process has exactly these settings, secrets included."""
    return {variable(key): _text(_value(settings, key)) for key, _ in fields()}


def as_file(settings: Settings, keys: Sequence[str]) -> str:
    """A TOML file with these keys and their values here, secrets left out."""
    chosen = _nested({key: value for key in keys if not isinstance(value := _value(settings, key), SecretStr)})
    lines = (
        (f"[{group}]", *(f"{key} = {_toml(value)}" for key, value in values.items()))
        for group, values in chosen.items()
    )
    return "\n".join(line for group in lines for line in group) + "\n"


def template() -> str:
    """A TOML file with every key, its meaning and its default, all commented out."""
    head = "# Settings of Reshelf.  The environment wins over this file: kafka.bootstrap is RESHELF_KAFKA__BOOTSTRAP.\n"
    return head + "".join(_template_group(name, _group(field)) for name, field in Settings.model_fields.items())


def _template_group(name: str, group: type[Group]) -> str:
    about = inspect.cleandoc(group.__doc__ or "").splitlines()[0]
    lines = ["", f"# {about}", f"[{name}]"]
    for key, field in group.model_fields.items():
        lines += [
            f"# {line}" for line in textwrap.wrap(field.description or "", TEMPLATE_WIDTH, break_on_hyphens=False)
        ]
        if _is_secret(field):
            lines.append(f"# A secret: better in the environment, {variable(f'{name}.{key}')}.")
        lines.append(f"# {key} = {_toml(field.get_default(call_default_factory=True))}")
    return "\n".join(lines) + "\n"


def _from_file(path: Path | None) -> Values:
    if path is None:
        return {}
    if not path.is_file():
        raise BadSettings(f"settings file: expected a TOML file, got {path}, which is not there")
    try:
        return TomlConfigSettingsSource(Settings, toml_file=path)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        said = encoding_of(path.read_bytes())
        raise BadSettings(f"settings file {path}: expected TOML, got: {error}{said and '; it '}{said}") from None


def _from_environment() -> Values:
    try:
        values: Values = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise BadSettings(f"environment: {error}") from None
    for name, value in os.environ.items():
        first, *rest = name.removeprefix(PREFIX).lower().split("__")
        if name.startswith(PREFIX) and name != FILE_VARIABLE and first not in Settings.model_fields:
            _put(values, ".".join([first, *rest]), value)
    return values


def _complaint(detail: ErrorDetails, origins: Mapping[str, str]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    key = key if key in origins else next((at for at in origins if at.startswith(key + ".")), key)
    origin = origins.get(key, DEFAULT)
    by_path = dict(fields())
    if key in REMOVED:
        return f"{key}: no longer a setting: {REMOVED[key]} (from {origin})"
    if detail["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, by_path, n=1, cutoff=0.5)
        return f"{key}: no such setting" + (f"; did you mean {near[0]}?" if near else "") + f" (from {origin})"
    secret = key in Settings.model_fields or (key in by_path and _is_secret(by_path[key]))
    got = HIDDEN if secret else masked(repr(detail["input"]))
    expected = re.sub("^(Input|String) should (be )?", "", detail["msg"])
    return f"{key}: expected {expected}, got {got} (from {origin})"


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _nested(flat: Mapping[str, Any]) -> Values:
    values: Values = {}
    for key, value in flat.items():
        _put(values, key, value)
    return values


def _put(values: Values, key: str, value: Any) -> None:
    *groups, name = key.split(".")
    for group in groups:
        inner = values.get(group)
        values[group] = inner if isinstance(inner, dict) else {}
        values = values[group]
    values[name] = value


def _group(field: FieldInfo) -> type[Group]:
    group = field.annotation
    assert isinstance(group, type) and issubclass(group, Group)
    return group


def _value(settings: Settings, key: str) -> Any:
    group, name = key.split(".")
    return getattr(getattr(settings, group), name)


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr


def _redacted(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return HIDDEN if value.get_secret_value() else ""
    return masked(value) if isinstance(value, str) else value


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value if isinstance(value, str) else json.dumps(value)


def _toml(value: Any) -> str:
    return json.dumps(value.get_secret_value() if isinstance(value, SecretStr) else value)
