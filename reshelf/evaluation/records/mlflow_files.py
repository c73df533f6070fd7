"""Runs in MLflow's file format, for those who look at theirs there; needs its library (`mlflow` or `mlflow-skinny`)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reshelf.evaluation.records.run import Run

FOLDER = "mlruns"
MOST_METRICS = 1_000
LONGEST_PARAMETER = 6_000
ASKED_OF_MLFLOW = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""MLflow writes files only where this is set, and would report its use to its makers."""


def track(run: Run, file: Path) -> bool:
    """Keep a run under `mlruns` beside its own `file`, which becomes its artifact; False without the library."""
    if find_spec("mlflow") is None:
        return False
    for name, value in ASKED_OF_MLFLOW.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    client = MlflowClient(tracking_uri=(file.parent / FOLDER).resolve().as_uri())
    name = f"reshelf-{run.kind}"
    experiment_entry = client.get_experiment_by_name(name)
    experiment = experiment_entry.experiment_id if experiment_entry else client.create_experiment(name)
    ended = round(datetime.fromisoformat(run.finished_at).timestamp() * 1000)
    began = ended - round(run.seconds * 1000)
    run_id = client.create_run(experiment, start_time=began, run_name=run.id).info.run_id
    metrics = [Metric(key, value, ended, 0) for key, value in list(numbers(run.results))[:MOST_METRICS]]
    parameters = [Param(_name(key), str(value)[:LONGEST_PARAMETER]) for key, value in run.asked.items()]
    client.log_batch(run_id, metrics, parameters, [RunTag("code", run.code), RunTag("settings", run.settings)])
    client.log_artifact(run_id, str(file))
    client.set_terminated(run_id, end_time=ended)
    return True


def numbers(values: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """All finite numbers in nested values, with names that have dots and are fit for metrics."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from numbers(value, f"{name}.{key}" if name else str(key))
    elif isinstance(values, list | tuple):
        for at, value in enumerate(values):
            yield from numbers(value, f"{name}.{at}")
    elif isinstance(values, int | float) and math.isfinite(values):
        yield _name(name), float(values)


def _name(text: str) -> str:
    return re.sub(r"[^\w\-./ ]", "_", text)
