"""What an examination finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaException

from reshelf.numbers import difference


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do unless all is well."""

    about: str
    state: Literal["ok", "note", "bad"]
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.state:<4}  {self.about}: {self.detail}" + (f"\n      {self.remedy}" if self.remedy else "")


def clock(about: str, skew_ms: float, allowed_ms: int) -> Finding:
    """Whether a clock is near enough to this machine's."""
    skew = f"{difference(skew_ms)} ms against this machine"
    if abs(skew_ms) <= allowed_ms:
        return Finding(about, "ok", skew)
    return Finding(about, "bad", skew, f"Let NTP set both clocks: at most {allowed_ms} ms are allowed for.")


def words(error: Exception) -> str:
    """What an error of Kafka's or ours says."""
    return str(error.args[0].str()) if isinstance(error, KafkaException) else str(error)
