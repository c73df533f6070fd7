"""Prometheus's text format 0.0.4, and what the operating system knows of this process."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path

from streams.metrics.registry import Distribution, Sample
from streams.metrics.table import METRICS

CONTENT_TYPE = "text/plain; version=0.0.4"
_SELF = Path("/proc/self")


def exposition(samples: Iterable[Sample]) -> str:
    """The samples and those of the process itself; families without a sample are left out."""
    families: dict[str, list[str]] = {}
    for name, values, value in (*of_process(), *samples):
        labels = tuple(zip(METRICS[name].labels, values, strict=True))
        families.setdefault(name, []).extend(_lines(name, labels, value))
    heads = {name: f"# HELP {name} {METRICS[name].meaning}\n# TYPE {name} {METRICS[name].kind}" for name in families}
    return "".join(f"{heads[name]}\n" + "\n".join(lines) + "\n" for name, lines in families.items())


def of_process() -> list[Sample]:
    """CPU, and on Linux memory and open files."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    values: dict[str, float] = {"process_cpu_seconds_total": used.ru_utime + used.ru_stime}
    if _SELF.is_dir():
        pages = int((_SELF / "statm").read_text().split()[1])
        values["process_resident_memory_bytes"] = pages * os.sysconf("SC_PAGE_SIZE")
        values["process_open_fds"] = sum(1 for _ in (_SELF / "fd").iterdir())
    return [Sample(name, (), value) for name, value in values.items()]


def _lines(name: str, labels: tuple[tuple[str, str], ...], value: float | Distribution) -> Iterator[str]:
    if not isinstance(value, Distribution):
        yield f"{name}{_braced(labels)} {_number(value)}"
        return
    passed = 0
    for bound, count in zip((*(f"{bound:g}" for bound in value.bounds), "+Inf"), value.counts, strict=True):
        passed += count
        yield f"{name}_bucket{_braced((*labels, ('le', bound)))} {passed}"
    yield f"{name}_sum{_braced(labels)} {_number(value.total)}"
    yield f"{name}_count{_braced(labels)} {passed}"


def _braced(labels: Iterable[tuple[str, str]]) -> str:
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{{{pairs}}}" if pairs else ""


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
