"""What the encoder answers beside its work; the model is not needed for it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from reshelf.processes.children import free_port
from reshelf.processes.encoder_health import EncoderVitals, answering
from schemas.errors import BadSettings
from streams.settings import HealthSettings

COUNTS = {"encoded": 3, "skipped": 2, "truncated": 1, "failed": 0, "deleted": 4, "model_s": 0.25}


def asked(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_starts_works_and_is_stuck() -> None:
    now, port = [0.0], free_port()
    vitals = EncoderVitals(still_s=60.0, clock=lambda: now[0])
    with answering(HealthSettings(port=port), vitals):
        assert (asked(port, "/live")[0], asked(port, "/ready")[0]) == (200, 503)
        worker: Any = SimpleNamespace(counts=SimpleNamespace(**COUNTS), waiting=7, waiting_pictures=2, pictures=None)
        vitals.worker = worker
        now[0] = 59.0
        assert (asked(port, "/live")[0], asked(port, "/ready")[0]) == (200, 200)
        told = asked(port, "/metrics")[1]
        assert 'reshelf_encoder_texts_total{result="encoded"} 3\n' in told
        assert "reshelf_encoder_waiting_texts 7\n" in told
        assert "pictures" not in told
        counts = SimpleNamespace(encoded=4, unchanged=1, refused=Counter(host=5), lacking=3)
        worker.pictures = SimpleNamespace(lane=SimpleNamespace(counts=counts))
        told = asked(port, "/metrics")[1]
        assert 'reshelf_encoder_refused_pictures_total{reason="host"} 5\n' in told
        assert "reshelf_encoder_lacking_pictures 3\n" in told
        now[0] = 61.0
        status, answer = asked(port, "/live")
        assert status == 503 and json.loads(answer)["reasons"] == ["no step for 60 s or longer"]
        vitals.stepped()
        assert asked(port, "/live")[0] == 200


def test_a_port_that_is_taken_is_said_to_be_and_none_is_none() -> None:
    settings = HealthSettings(port=free_port())
    with answering(settings, EncoderVitals(60.0)):
        with pytest.raises(BadSettings, match=r"health\.port"), answering(settings, EncoderVitals(60.0)):
            pass
        with answering(HealthSettings(), EncoderVitals(60.0)):
            pass
