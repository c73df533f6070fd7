"""What a worker says of itself under `/metrics`: by which clock it answers, and what it has counted."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import NamedTuple
from urllib.request import urlopen

ANSWER_S = 2.0


class Probe(NamedTuple):
    """How many seconds the worker's clock is ahead of ours, and the sum of each metric over its labels."""

    ahead_s: float
    sums: Mapping[str, float]


def probe(port: int) -> Probe | None:
    """Ask the worker at a port of this machine; None where none answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=ANSWER_S) as answer:
            date, text = answer.headers["Date"], answer.read().decode()
    except (OSError, HTTPException):
        return None
    return Probe(parsedate_to_datetime(date).timestamp() - time.time(), sums_of(text))


def sums_of(text: str) -> Mapping[str, float]:
    """The sum of each metric over its labels, of an answer in Prometheus's text form."""
    sums: Counter[str] = Counter()
    for line in text.splitlines():
        if not line.startswith("#"):
            labelled, _, value = line.rpartition(" ")
            sums[labelled.partition("{")[0]] += float(value)  # type: ignore[assignment]
    return sums
