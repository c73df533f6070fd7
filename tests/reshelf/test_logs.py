"""Log lines: JSON for machines, words for people."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reshelf.terminal.logs import JsonLines


@given(st.text() | st.just("\ud800"), st.text(min_size=1))
def test_every_record_is_one_line_of_json(message: str, name: str) -> None:
    line = JsonLines().format(logging.LogRecord(name, logging.WARNING, "", 0, message, None, None))
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == message.encode(errors="backslashreplace").decode()
    assert (told["level"], told["logger"]) == ("warning", name)
    assert datetime.fromisoformat(told["time"]).utcoffset() is not None


def test_an_error_is_told_with_where_it_came_from() -> None:
    try:
        raise ArithmeticError("no root")
    except ArithmeticError:
        told = json.loads(JsonLines().format(logging.LogRecord("a", 40, "", 0, "failed", None, sys.exc_info())))
    assert "test_logs.py" in told["error"] and told["error"].endswith("ArithmeticError: no root")


@pytest.mark.parametrize(("form", "is_json"), [("auto", True), ("json", True), ("text", False)])
def test_a_worker_that_cannot_start_says_so_in_the_form_that_is_set(form: str, is_json: bool) -> None:
    wrong = {"RESHELF_LOG__FORMAT": form, "RESHELF_HEALTH__PORT": "1", "RESHELF_HEALTH__HOST": "0.0.0.0"}
    command = [sys.executable, "-m", "reshelf", "worker", "learner"]
    done = subprocess.run(command, env=os.environ | wrong, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    if is_json:
        assert json.loads(line)["level"] == "critical" and "health.token" in json.loads(line)["message"]
    else:
        assert line.startswith("CRITICAL reshelf: health.host")
