"""`reshelf bench edge`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from bench.web.edge import Run, parse
from schemas.errors import Transient

PRINTED = """
  Latency Distribution
     99%    2.50ms
  36100 requests in 3.00s, 7.5MB read
Requests/sec:  12034.56
"""


def test_the_figures_of_wrk_are_read() -> None:
    assert parse(PRINTED) == Run(12034.56, 2.5, 36_100)
    assert parse(PRINTED.replace("2.50ms", "900us")) == Run(12034.56, 0.9, 36_100)
    with pytest.raises(Transient, match="answered with 200"):
        parse(PRINTED + "Non-2xx or 3xx responses: 3")
    with pytest.raises(Transient, match="expected the figures"):
        parse("")


COMMAND = [sys.executable, "-m", "reshelf", "bench", "edge", "--seconds", "1", "--rounds", "1", "--json"]


def test_without_wrk_it_says_so() -> None:
    bare = os.environ | {"PATH": ""}
    done = subprocess.run(COMMAND, env=bare, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "expected the program wrk" in done.stderr


def test_command_line() -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed: what the edge does under load is not measured")
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60, check=False)
    found = json.loads(done.stdout)["edge"]
    assert found["per_s"] > 100 and found["bare_per_s"] > 100
    assert found["p99_ms"] > 0
    assert found["per_cpu_s"] > 500 and found["cpu_ratio"] > 0.3
    assert found["ratio"] == pytest.approx(found["per_s"] / found["bare_per_s"], abs=0.01)
