"""Dates that the console writes into rules are days of the shop's calendar, whatever its clocks do meanwhile."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from datetime import UTC
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from reshelf.console.views.drafts import moment_of
from schemas.errors import BadSettings

CASES = (
    ("Europe/Berlin", "2027-03-27T22:30:00Z", 0, "2027-03-27"),
    ("Europe/Berlin", "2027-03-27T22:30:00Z", 1, "2027-03-28"),  # in 24 hours it is the 29th there
    ("Europe/Berlin", "2027-10-30T22:10:00Z", 1, "2027-11-01"),  # in 24 hours it is still the 31st there
    ("UTC", "2027-10-30T22:10:00Z", 7, "2027-11-06"),
    ("America/Los_Angeles", "2028-02-29T07:59:59Z", 7, "2028-03-06"),
    ("Asia/Tokyo", "2027-12-31T15:00:00Z", 0, "2028-01-01"),
)


def test_a_date_is_days_after_today_by_the_shops_calendar() -> None:
    program = shutil.which("node")
    if program is None:
        pytest.skip("Node is not installed: dates of the console are not tested")
    module = base64.b64encode(files("reshelf.console").joinpath("static", "dates.js").read_bytes()).decode()
    given = [[days, zone, at] for zone, at, days, _ in CASES]
    script = (
        f'import {{ dateAfter }} from "data:text/javascript;base64,{module}";'
        f"const dates = {json.dumps(given)}.map(([days, zone, at]) => dateAfter(days, zone, Date.parse(at)));"
        "console.log(JSON.stringify(dates));"
    )
    command = [program, "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert json.loads(done.stdout) == [expected for *_, expected in CASES]


def test_a_preview_is_for_a_day_of_the_shop() -> None:
    assert moment_of("2027-10-31", ZoneInfo("Europe/Berlin")) == 1_824_933_600_000
    assert moment_of("2027-10-31T12:00Z", ZoneInfo("Europe/Berlin")) == 1_824_984_000_000
    assert moment_of("", UTC) > 1_700_000_000_000
    with pytest.raises(BadSettings, match=r"^at: expected a date or time like .*'soon'"):
        moment_of("soon", UTC)
