"""What is so for the whole shop."""

from __future__ import annotations

from datetime import UTC, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from streams.settings.group import Group


class ShopSettings(Group):
    """What is so for the whole shop."""

    time_zone: str = Field(
        "UTC",
        description="The IANA name of the shop's time zone, like Europe/Berlin: in it are the days of sponsored "
        "budgets, dates without a zone in rules, catalog files and replays, and the times in reports.",
    )

    @cached_property
    def zone(self) -> tzinfo:
        """`time_zone` to reckon with; UTC is known where a machine has no data of time zones, too."""
        return UTC if self.time_zone == "UTC" else ZoneInfo(self.time_zone)

    @field_validator("time_zone")
    @classmethod
    def _there(cls, name: str) -> str:
        try:
            return name if name == "UTC" else ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise PydanticCustomError("time_zone", "the IANA name of a time zone, like Europe/Berlin or UTC") from None
