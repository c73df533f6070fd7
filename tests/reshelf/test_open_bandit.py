"""The Open Bandit Dataset: rows to events, bad files, and importing twice."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from reshelf.datasets.imported import Publisher, held_ids
from reshelf.datasets.open_bandit import HeldIds, OpenBandit, RowEvents, missing
from reshelf.processes.children import process
from schemas.codec import decoder, encode
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Impression
from schemas.topics import CLICKS, IMPRESSIONS
from streams.fold.buckets import span_of
from streams.kafka.bounds import log_bounds
from streams.settings import FoldSettings, KafkaSettings
from tests.all_tests import if_all

HEADER = ["", "timestamp", "item_id", "position", "click", "propensity_score", "user_feature_0", "user_feature_1"]
ROWS = [
    ["0", "2019-11-24 00:00:34.762830+00:00", "14", "3", "0", "0.0125", "81ce123cbb5bd8ce", "aa11bb22"],
    ["1", "2019-11-24 00:00:53.965051+00:00", "7", "1", "1", "0.0125", "cef3390ed299c098", "cc33dd44"],
    ["2", "2019-11-25 23:59:59+00:00", "14", "2", "0", "0.0125", "81ce123cbb5bd8ce", "aa11bb22"],
]
CONTEXT = [
    ["", "item_id", "item_feature_0", "item_feature_1", "item_feature_2", "item_feature_3"],
    ["0", "7", "-0.5", "aed790911d", "67503f4a", "5c1e29f9"],
    ["1", "14", "0.25", "31af389431", "67503f4a", "5c1e29f9"],
]


def dataset(folder: Path, rows: list[list[str]], header: list[str] = HEADER) -> OpenBandit:
    """A small folder in the dataset's layout."""
    place = folder / "bts" / "all"
    place.mkdir(parents=True, exist_ok=True)
    for name, lines in (("all.csv", [header, *rows]), ("item_context.csv", CONTEXT)):
        with (place / name).open("w", newline="") as target:
            csv.writer(target).writerows(lines)
    return OpenBandit(folder, "all", "bts")


def test_rows_become_events(tmp_path: Path) -> None:
    data = dataset(tmp_path, ROWS)
    data.check()
    first, second, third = data.events()
    assert first.click is None
    assert first.impression.page == "obd-all"
    assert first.impression.segment == "81ce12"
    assert first.impression.occurred_at == 1_574_553_634_762
    assert [(shown.slot, shown.item) for shown in first.impression.slots] == [("2", "14")]
    assert second.click is not None
    assert (second.click.slot, second.click.item, second.click.segment) == ("0", "7", "cef339")
    assert third.impression.occurred_at == 1_574_726_399_000


def test_events_fit_the_contract(tmp_path: Path) -> None:
    for impression, click in dataset(tmp_path, ROWS).events():
        assert decoder(Impression)(encode(impression)) == impression
        assert click is None or decoder(Click)(encode(click)) == click


def test_ids_are_those_of_the_row(tmp_path: Path) -> None:
    once = [events.impression.event_id for events in dataset(tmp_path / "a", ROWS).events()]
    again = [events.impression.event_id for events in dataset(tmp_path / "b", ROWS).events()]
    changed = [events.impression.event_id for events in dataset(tmp_path / "c", [ROWS[0], ROWS[2], ROWS[2]]).events()]
    assert once == again
    assert len(set(once)) == 3
    assert (changed[0] == once[0], changed[1] == once[1], changed[2] == once[2]) == (True, False, True)


def test_segment_by_another_column(tmp_path: Path) -> None:
    data = dataset(tmp_path, ROWS)
    other = OpenBandit(data.folder, "all", "bts", "user_feature_1")
    assert [events.impression.segment for events in other.events()] == ["aa11bb", "cc33dd", "aa11bb"]


def test_catalog_and_page(tmp_path: Path) -> None:
    data = dataset(tmp_path, ROWS)
    items = data.catalog()
    assert [item.item for item in items] == ["7", "14"]
    assert items[0].attributes["item_feature_0"] == "-0.5"
    assert decoder(CatalogItem)(encode(items[0])) == items[0]
    assert data.page_rules(1).slots == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        (3, "4", "position: expected 1, 2, 3, got '4'"),
        (4, "yes", "click: expected 0 or 1"),
        (1, "soon", "Invalid isoformat"),
        (6, "", "user_feature_0: expected a value"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, column: int, value: str, complaint: str) -> None:
    bad = list(ROWS[1])
    bad[column] = value
    with pytest.raises(BadSettings, match="line 3") as caught:
        list(dataset(tmp_path, [ROWS[0], bad]).events())
    assert complaint in str(caught.value)


def test_a_short_row_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="line 2: the row has fewer columns"):
        list(dataset(tmp_path, [["0", "2019-11-24 00:00:34+00:00"]]).events())


def test_wrong_arguments_are_explained(tmp_path: Path) -> None:
    dataset(tmp_path, ROWS)
    for campaign, policy, column, complaint in (
        ("kids", "bts", "user_feature_0", "--campaign: expected one of all, men, women, got 'kids'"),
        ("all", "ucb", "user_feature_0", "--policy: expected one of bts, random, got 'ucb'"),
        ("men", "bts", "user_feature_0", "men.csv: expected a CSV file"),
        ("all", "bts", "mood", "without mood. Choose another --segment-by"),
    ):
        with pytest.raises(BadSettings) as caught:
            OpenBandit(tmp_path, campaign, policy, column).check()
        assert complaint in str(caught.value)


def test_missing_leaves_out_what_is_held(tmp_path: Path) -> None:
    events = list(dataset(tmp_path, ROWS).events())
    held = HeldIds([events[0].impression.event_id])
    left = list(missing(events, held, HeldIds([])))
    assert [type(event).__name__ for event in left] == ["Impression", "Click", "Impression"]
    everything = HeldIds(event.impression.event_id for event in events)
    assert list(missing(events, everything, everything)) == []


def test_importing_twice_changes_nothing(
    tmp_path: Path, broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    """A first import that broke off is completed by the second; the third publishes nothing."""
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    many = [
        [
            str(n),
            f"2019-11-24 00:{n // 60 % 60:02d}:{n % 60:02d}+00:00",
            str(n % 9),
            str(n % 3 + 1),
            str(int(n % 7 == 0)),
            "0.1",
            "81ce12",
            "x",
        ]
        for n in range(700)
    ]
    events = list(dataset(tmp_path, many).events())
    publish(kafka, events[:300])
    assert publish(kafka, events) == 400 + sum(events.click is not None for events in events[300:])
    assert publish(kafka, events) == 0
    ends = {
        name: sum(end for _, end in found) for name, found in log_bounds(kafka, [IMPRESSIONS.name, CLICKS.name]).items()
    }
    assert ends == {IMPRESSIONS.name: 700, CLICKS.name: 100}
    assert Counter(held_ids(kafka, IMPRESSIONS, "obd-all-bts-")) == Counter(
        event.impression.event_id for event in events
    )


def publish(kafka: KafkaSettings, events: list[RowEvents]) -> int:
    held = [HeldIds(held_ids(kafka, topic, "obd-all-bts-")) for topic in (IMPRESSIONS, CLICKS)]
    return Publisher(kafka).events(missing(events, *held))


@pytest.fixture(scope="module")
def sample() -> Path:
    """The sample of the dataset that the package obp ships."""
    found = find_spec("obp")
    if found is None or found.origin is None:
        pytest.skip("obp is not installed: its sample of the Open Bandit Dataset is imported")
    return Path(found.origin).parent / "dataset" / "obd"


def reshelf(*arguments: str, **settings: str) -> str:
    """What the command line prints."""
    done = subprocess.run(
        [sys.executable, "-m", "reshelf", *arguments],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def counted(folder: Path, policies: tuple[str, ...]) -> list[list[str]]:
    """The export that the files themselves say, counted by numpy."""
    rows = []
    for policy in policies:
        with (folder / policy / "all" / "all.csv").open(newline="") as source:
            rows += list(csv.DictReader(source))
    days = np.array([row["timestamp"][:10] for row in rows], dtype="datetime64[D]").astype("datetime64[ms]").astype(int)
    segments = [row["user_feature_0"][:6] for row in rows]
    slots = [str(int(row["position"]) - 1) for row in rows]
    items = [row["item_id"] for row in rows]
    spans = [span_of(day, int(days.max()), FoldSettings()) for day in days.tolist()]
    starts, lengths = [str(span.start) for span in spans], [str(len(span)) for span in spans]
    names = np.array([*zip(segments, starts, lengths, items, slots, strict=True)])
    keys, places = np.unique(names, axis=0, return_inverse=True)
    seen = np.bincount(places.ravel())
    clicks = np.bincount(places.ravel(), weights=[int(row["click"]) for row in rows]).astype(int)
    counts = zip(keys.tolist(), seen.tolist(), clicks.tolist(), strict=True)
    return [["obd-all", *key, str(shown), str(clicked), *["0"] * 5] for key, shown, clicked in counts]


def exported(text: str) -> list[list[str]]:
    header, *rows = csv.reader(io.StringIO(text))
    counts = ["impressions", "clicks", "conversions", "revenue", "repeats", "returns", "returned"]
    assert header == ["page", "segment", "bucket", "buckets", "item", "slot", *counts]
    return sorted(rows)


def test_state_equals_the_files_to_the_last_count(
    sample: Path, broker: str, redis_url: str, prefix: str, tmp_path: Path
) -> None:
    """Both policies through broker and worker; importing again changes nothing."""
    namespace = prefix.strip("-")
    settings = {
        "RESHELF_KAFKA__BOOTSTRAP": broker, "RESHELF_KAFKA__PREFIX": prefix, "RESHELF_REDIS__URL": redis_url,
        "RESHELF_REDIS__NAMESPACE": namespace,
        "RESHELF_FOLD__ALLOWED_LATENESS_MS": "0",
        "RESHELF_FOLD__MAX_CLOCK_SKEW_MS": "0",
    }  # fmt: skip
    command = ["import", "obd", str(sample), "--campaign", "all", "--prefix", prefix]
    first = reshelf(*command, "--policy", "bts", "--json", **settings)
    assert '"published": 10042' in first
    with process([sys.executable, "-m", "reshelf", "worker", "learner"], tmp_path / "log", settings):
        both = reshelf(*command, "--policy", "random", "--export", "csv", **settings)
        again = reshelf(*command, "--policy", "bts", "--json", **settings)
        after = reshelf(*command, "--policy", "random", "--export", "csv", **settings)
    assert exported(both) == sorted(counted(sample, ("bts", "random")))
    assert '"published": 0' in again
    assert after == both


@if_all
def test_one_command_does_it_all(sample: Path) -> None:
    text = reshelf(
        "import", "obd", str(sample), "--campaign", "all", "--policy", "random", "--embedded", "--export", "csv"
    )
    assert exported(text) == sorted(counted(sample, ("random",)))
