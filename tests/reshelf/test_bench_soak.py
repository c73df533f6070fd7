"""`reshelf bench soak`: what counts as growth, how windows become shorter, and what is said of a run."""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.soak.compression import SHARES, compressed, day_s, retention_ms, windows
from bench.soak.events import ITEMS, Shop
from bench.soak.options import Options
from bench.soak.probes import LOOK_AT, TOLERANCES, of_folder, of_process, tolerance
from bench.soak.report import content, text
from bench.soak.trend import Sample, Tolerance, trend
from reshelf.cli.main import cli
from reshelf.settings import Settings
from schemas.topics import CATALOG_ITEMS, DAY_MS, IMPRESSIONS

HOUR_S, DAY_S = 3_600, 1_800.0
HALF_PERCENT = Tolerance(0.005, 0.1)
OPTIONS = Options(60.0, 100.0, 48.0, 10.0, 2_000.0, "kafka", None)


def series(*, noise: float = 0.0, per_day: float = 0.0, tooth_s: float = 0.0, begin: float = 0.0) -> list[Sample]:
    """An hour of a figure of about 200, two days of traffic; the first quarter of it rises by `begin`."""
    chance = random.Random(1)
    return [
        (
            float(at),
            200.0
            + begin * min(1.0, at / (HOUR_S / 4))
            + per_day * at / DAY_S
            + (20.0 * (at % tooth_s) / tooth_s if tooth_s else 0.0)
            + chance.gauss(0.0, noise),
        )
        for at in range(0, HOUR_S, 10)
    ]


@pytest.mark.parametrize("noise", [0.0, 0.5, 5.0])
def test_noise_and_what_grew_at_the_beginning_are_flat(noise: float) -> None:
    found = trend(series(noise=noise, begin=80.0), DAY_S, HALF_PERCENT)
    assert found.flat
    assert found.level == pytest.approx(280.0, abs=noise + 0.1)
    assert found.per_day is not None and found.low is not None and found.high is not None
    assert found.low <= found.per_day <= found.high and found.low <= 0.0 <= found.high


@pytest.mark.parametrize("noise", [0.0, 0.3, 0.6])
def test_a_leak_of_a_hundredth_in_a_day_is_found(noise: float) -> None:
    found = trend(series(noise=noise, per_day=2.0), DAY_S, HALF_PERCENT)
    assert found.flat is False
    assert found.per_day == pytest.approx(2.0, abs=noise) and (found.low or 0.0) > 1.0


@pytest.mark.parametrize("tooth_s", [30.0, 130.0, 400.0, 600.0])
def test_teeth_of_a_saw_are_flat_and_a_leak_below_them_is_found(tooth_s: float) -> None:
    assert trend(series(noise=0.5, tooth_s=tooth_s), DAY_S, HALF_PERCENT).flat
    assert trend(series(noise=0.5, tooth_s=tooth_s, per_day=60.0), DAY_S, HALF_PERCENT).flat is False


def test_what_goes_down_jumps_once_or_has_too_few_samples_does_not_grow() -> None:
    assert trend(series(per_day=-5.0), DAY_S, HALF_PERCENT).flat
    once = [(at, value + (500.0 if at == 3_000 else 0.0)) for at, value in series(noise=0.5)]
    assert trend(once, DAY_S, HALF_PERCENT).flat
    for few in ([], series(per_day=50.0)[:10]):
        assert trend(few, DAY_S, HALF_PERCENT).flat is None


def test_growth_below_a_limit_by_design_is_told_and_no_failure() -> None:
    assert trend(series(per_day=50.0), DAY_S, Tolerance(0.005, 0.1, limit=1_000.0)).flat is None
    assert trend(series(per_day=50.0), DAY_S, Tolerance(0.005, 0.1, limit=210.0)).flat is False
    assert trend(series(per_day=50.0), DAY_S, Tolerance(0.005, 0.1, judged=False)).flat is None


def test_every_window_is_shorter_and_short_beside_the_run(tmp_path: Path) -> None:
    settings = Settings()
    found = windows(settings, 48.0, HOUR_S)
    assert found.keys() == SHARES.keys()
    assert found["layouts.ttl_ms"] == settings.layouts.ttl_ms // 48
    assert found["fold.bucket_ttl_ms"] == HOUR_S * 1000 / 8 < settings.fold.bucket_ttl_ms / 48
    assert all(0 < value <= HOUR_S * 1000 / 8 for value in found.values())
    own = compressed(settings, 48.0, HOUR_S, tmp_path)
    assert own.fold.bucket_ms == found["fold.bucket_ms"] and own.attribution.folder == str(tmp_path / "clicks")
    assert windows(settings.changed(fold={"bucket_ms": 0}), 48.0, HOUR_S)["fold.bucket_ms"] == 0
    assert day_s(48.0) == DAY_S
    assert retention_ms(IMPRESSIONS, 48.0, HOUR_S) == HOUR_S * 1000 / 6 < 30 * DAY_MS / 48


def test_items_and_campaigns_of_the_shop_come_and_go() -> None:
    shop = Shop()
    before = {item for page in shop.pages() for item in shop.items(page)}
    gone, new, ended = shop.change()
    after = {item for page in shop.pages() for item in shop.items(page)}
    assert ended not in shop.pages() and len(shop.pages()) * ITEMS == len(after)
    assert (before - set(gone)) | set(new) == after and gone and new


def test_a_process_and_a_folder_are_measured(tmp_path: Path) -> None:
    found = of_process("own", os.getpid())
    assert found["own rss_mb"] > found["own own_mb"] / 2 > 1 and found["own threads"] >= 1 and found["own handles"] > 2
    assert of_process("gone", 2**22 + 1) == {}
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "file").write_bytes(bytes(3 * 2**20))
    assert of_folder("x", tmp_path) == {"x disk_mb": pytest.approx(3.0, abs=0.1), "x files": 1.0}


def test_what_is_judged_and_what_is_not() -> None:
    assert TOLERANCES.keys() == LOOK_AT.keys()
    assert tolerance("learner rss_mb", False, 4).judged and tolerance("kafka handles", False, 4).judged
    for name in ("kafka rss_mb", f"{CATALOG_ITEMS.name} records"):
        assert not tolerance(name, False, 4).judged
    assert tolerance(f"{IMPRESSIONS.name} records", False, 4).judged
    assert not tolerance(f"{IMPRESSIONS.name} records", True, 4).judged
    assert tolerance("duplicates disk_mb", False, 4).limit == 4 * tolerance("duplicates disk_mb", False, 1).limit > 0


def test_a_run_is_told_with_what_grows_and_where_to_look() -> None:
    samples = {"learner rss_mb": series(noise=0.2), "redis keys": series(per_day=80.0)}
    told = content(Settings(), OPTIONS, samples, {"sent": 360_000})
    assert (told["flat"], list(told["grows"]), told["days"]) == (False, ["redis keys"], 2.0)
    assert told["figures"]["learner rss_mb"]["flat"] and math.isclose(told["samples"]["redis keys"][0][1], 200.0)
    lines = text(told).splitlines()
    assert lines[0] == "2.0 days of traffic in 60 minutes, 360,000 events"
    assert [line.split()[-1] for line in lines[2:4]] == ["flat", "grows"]
    assert lines[-1].startswith("redis keys grows: look at keys that nothing deletes")
    json.dumps(told)
    calm = content(Settings(), OPTIONS, {"learner rss_mb": series(noise=0.2)}, {"sent": 1})
    assert calm["flat"] and text(calm).endswith("All that is judged is flat.")


def test_orders_that_make_no_sense_are_refused() -> None:
    for wrong in (["--minutes", "0"], ["--compress", "0.5"], ["--rate", "0"], ["--sample-seconds", "0"]):
        assert CliRunner().invoke(cli, ["bench", "soak", *wrong]).exit_code == 2
