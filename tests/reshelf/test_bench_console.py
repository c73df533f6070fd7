"""`reshelf bench console`, small: the page is looked at in a real browser while events flow."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.web.browser import CHROMIUM
from tests.all_tests import if_all


@pytest.mark.long
@if_all
def test_the_page_asks_twice_a_second_and_its_cost_is_told() -> None:
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: what the page Items costs is not measured")
    command = [sys.executable, "-m", "reshelf", "bench", "console", "--broker", "embedded", "--json"]
    small = ["--arms", "60", "--rate", "200", "--seconds", "2", "--rounds", "1"]
    done = subprocess.run([*command, *small], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["console"]
    assert found["arms"] == 60 and found["rounds"] == 1
    assert 0.0 < found["updates_per_s"] <= 3.0
    assert 0.0 < found["page_percent"] < found["browser_percent"]
    assert found["console_percent"] > 0.0 and found["answer_kb"] > 1.0
