"""Records of runs: what was asked of which log, with which code, and what came of it.

Each replay, evaluation, tuning and fine-tuning leaves one JSON file in
`runs.folder`.  A file is written whole under another name first, so that a
reader never meets half of one.  Where MLflow is installed, it is kept in its form, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from reshelf.evaluation.records.mlflow_files import track
from reshelf.evaluation.records.run import Run
from reshelf.settings import Settings, shown_values
from schemas.errors import BadSettings


def record(
    kind: str,
    settings: Settings,
    asked: Mapping[str, Any],
    log: Mapping[str, Any],
    results: Mapping[str, Any],
    seconds: float = 0.0,
) -> Run | None:
    """Keep a run; None where `runs.folder` is empty.  Raises OSError when the folder cannot be written."""
    if not settings.runs.folder:
        return None
    now = time.time()
    stamp = datetime.fromtimestamp(now, UTC)
    run = Run(
        f"{kind}-{stamp:%Y%m%dT%H%M%S}-{uuid4().hex[:6]}",
        kind,
        stamp.isoformat(timespec="seconds"),
        round(seconds, 3),
        version("reshelf"),
        settings_digest(settings),
        dict(asked),
        dict(log),
        dict(results),
    )
    folder = Path(settings.runs.folder)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{run.id}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n")
    track(run, part.replace(folder / f"{run.id}.json"))
    return run


def settings_digest(settings: Settings) -> str:
    """Sixteen hexadecimal digits; the groups that say where things are do not count."""
    values = {key: value for key, value in shown_values(settings) if key.split(".")[0] not in _PLACES}
    return sha256(msgspec.json.encode(values, order="sorted")).hexdigest()[:16]


_PLACES = ("kafka", "redis", "health", "console", "edge", "runs")


def recorded_runs(folder: Path) -> list[Run]:
    """All runs, the oldest first.  Raises `BadSettings` for a file that is none."""
    runs = []
    for path in folder.glob("*.json"):
        try:
            runs.append(msgspec.json.decode(path.read_bytes(), type=Run))
        except msgspec.DecodeError as error:
            raise BadSettings(f"{path}: expected the record of a run, got: {error}. Move it elsewhere.") from None
    return sorted(runs, key=lambda run: (run.finished_at, run.id))


def find(runs: list[Run], name: str) -> Run:
    """The run whose id begins with `name`; raises `BadSettings` unless there is exactly one."""
    fitting = [run for run in runs if run.id.startswith(name)]
    if len(fitting) != 1:
        raise BadSettings(
            f"expected the beginning of one run's id, got {name!r}, which fits {len(fitting)} runs. "
            "`reshelf runs list` shows all ids."
        )
    return fitting[0]


def differences(first: Run, other: Run) -> list[tuple[str, Any, Any]]:
    """(name, value of one, value of the other) of all that differs, nested names with dots."""
    ones, others = _flat(msgspec.to_builtins(first)), _flat(msgspec.to_builtins(other))
    names = dict.fromkeys([*ones, *others])
    return [(name, ones.get(name), others.get(name)) for name in names if ones.get(name) != others.get(name)]


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        inner = _by_name(value) if isinstance(value, list) else value
        flat |= _flat(inner, f"{before}{name}.") if isinstance(inner, Mapping) else {before + name: value}
    return flat


def _by_name(values: list[Any]) -> Mapping[str, Any] | None:
    """The parts of a list by estimator, or by place where they have none; None where values are plain."""
    if not values or not all(isinstance(value, Mapping) for value in values):
        return None
    return {str(value.get("estimator", at)): value for at, value in enumerate(values)}
