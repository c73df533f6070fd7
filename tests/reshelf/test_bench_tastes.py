"""The answer of `reshelf bench decisions --shop tastes`."""

from __future__ import annotations

import pytest

from bench.decisions.tastes import INFORMED, LEARNED, figures, text_of
from reshelf.cli.main import run


def test_the_ratio_is_to_the_better_one_with_one_segment() -> None:
    lost = {
        LEARNED: [[5.0, 20.0], [6.0, 20.0]],
        "one": [[10.0, 50.0], [12.0, 50.0]],
        "calm": [[20.0, 40.0], [24.0, 40.0]],
    }
    table = figures(lost, [10, 20])
    assert table["ratio_to_one_segment"]["10"] == pytest.approx({"mean": 0.5, "low": 0.5, "high": 0.5, "peer": "one"})
    assert table["ratio_to_one_segment"]["20"]["peer"] == "calm"
    text = text_of({"seeds": 2, "visitors": 5_000, "shops": {"tastes": {"worlds": {"strong": table}}}})
    assert "strong                  10  0.50 (0.50 to 0.50)\n" in text
    table = figures(lost | {INFORMED: [[1.0, 4.0], [1.2, 4.0]]}, [10, 20])
    assert table["ratio_to_one_segment"]["20"]["peer"] == "calm", "who is told the tastes is no peer"
    assert table["informed_to_one_segment"]["10"]["mean"] == pytest.approx(0.1)
    text = text_of({"seeds": 2, "visitors": 5_000, "shops": {"tastes": {"worlds": {"strong": table}}}})
    assert "0.50 (0.50 to 0.50); told the tastes 0.10 (0.10 to 0.10)\n" in text


def test_tastes_stand_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "decisions", "--shop", "tastes", "--shop", "ours"]) == 2
    assert "--shop tastes stands alone" in capsys.readouterr().err
