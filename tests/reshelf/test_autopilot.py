"""`reshelf experiment autopilot`: a trial is brought to its end by what its page declared, with a certificate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from policy.assignment import BINS, branches_of_bins
from reshelf.cli.main import run
from reshelf.evaluation.autopilot import Race, Treatment, decide, following, race_of, treatments_of
from reshelf.rules import topic
from schemas.errors import ReshelfError
from schemas.messages.pages import (
    MAIN,
    Branch,
    PageRow,
    PageRules,
    PageShelf,
    PageTemplate,
    PolicyChoice,
    TemplateRow,
)
from schemas.topics import DAY_MS, EVENT_TOPICS
from streams.fold.deltas import GroupDelta, TableDelta, TableKey, Traffic
from streams.kafka.records import TopicPartition
from streams.layouts.branches import shares_of
from streams.settings import FoldSettings, KafkaSettings
from streams.state import keys
from streams.state.keys import group_of
from streams.state.manifest import manifest_of
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark

GROUPS = 4
BOLD, GREEDY = PolicyChoice("thompson", exploration=2.0), PolicyChoice("greedy", variants=1)
OWN = PolicyChoice("thompson", shadow="ucb")
RULES = PageRules(
    "home", 1, ["top", "side"], policy=OWN, branches=[Branch("bold", 0.3, BOLD), Branch("greedy", 0.3, GREEDY)],
    published_at=DAY_MS // 2,
)  # fmt: skip
Bins = np.ndarray[tuple[int, int], np.dtype[np.int64]]


def counts(gains: dict[str, float], views: int = 2_000) -> Bins:
    """A day of units whose clicks are as their branch earns."""
    shares = shares_of(RULES)
    of_bins = branches_of_bins(RULES.branch_salt, tuple(shares.values()))
    rates = 0.05 * np.array([gains[list(shares)[branch]] for branch in of_bins])
    bins = np.zeros((BINS, 6), dtype=np.int64)
    bins[:, 0], bins[:, 1] = views, views // 3
    bins[:, 2] = np.random.default_rng(1).poisson(rates * views)
    return bins


def later(rules: PageRules, **changes: Any) -> PageRules:
    return msgspec.structs.replace(rules, version=rules.version + 1, **changes)


ALIKE, BETTER = {MAIN: 1.0, "bold": 1.0, "greedy": 1.0}, {MAIN: 1.0, "bold": 1.3, "greedy": 1.3}
MIDDLE, CLEAR = {MAIN: 0.8, "bold": 1.0, "greedy": 1.0}, {MAIN: 1.0, "bold": 1.3, "greedy": 0.8}


@pytest.mark.parametrize(
    ("gains", "action", "dropped"),
    [(ALIKE, "none", []), (MIDDLE, "drop", [MAIN]), (CLEAR, "promote", [MAIN, "greedy"])],
)
def test_what_is_certain_is_done(gains: dict[str, float], action: str, dropped: list[str]) -> None:
    bins = {(DAY_MS, Traffic.LEARNED): counts(gains), (0, Traffic.LEARNED): counts(BETTER)}
    certificate = decide(race_of([RULES]), bins, 0, "clicks", 0.95, 5 * DAY_MS)
    assert (certificate.action, [branch.name for branch in certificate.dropped]) == (action, dropped)
    assert certificate.counted_since_ms == RULES.published_at, "the day before the trial does not count"
    assert certificate.pair_level == pytest.approx(1.0 - 0.05 / 3)
    assert len(certificate.reason()) <= 256
    if action == "drop":
        assert set(certificate.policies) == set(treatments_of(RULES))
        assert certificate.policies[MAIN] == certificate.policies[certificate.best or ""]
    if action == "promote":
        assert certificate.policies == {MAIN: BOLD}


def test_a_template_on_trial_is_dropped_and_promoted_with_its_policy() -> None:
    names = ("whole", "short")
    shelves, rows = [PageShelf("new"), PageShelf("sale")], [PageRow("first", columns=2), PageRow("second", columns=2)]
    own = PolicyChoice(variants=8)
    page = PageRules(
        "home", 1, shelves=shelves, rows=rows, policy=own, template="whole", branch_salt=RULES.branch_salt,
        templates=[PageTemplate(name, [TemplateRow(row.name) for row in rows[at:]]) for at, name in enumerate(names)],
        branches=[Branch("bold", 0.3, own, template="short"), Branch("greedy", 0.3, own, template="default")],
    )  # fmt: skip
    bins = {(DAY_MS, Traffic.LEARNED): counts(MIDDLE)}
    dropped = decide(race_of([page]), bins, 0, "clicks", 0.95, 5 * DAY_MS)
    of_branches = {"bold": "short", "greedy": "default"}
    assert dropped.templates == {MAIN: of_branches[dropped.best or ""], **of_branches}
    after = following(page, [MAIN], "bold")
    assert (after.template, after.template_of(after.branches[0])) == ("short", "short")
    assert treatments_of(following(after, ["greedy"], "bold")) == {MAIN: Treatment(own, "short")}
    with pytest.raises(ReshelfError, match=r"same policy and template"):
        race_of([later(page, branches=[Branch("bold", 0.3, own), *page.branches[1:]])])


@given(st.permutations([MAIN, "bold", "greedy"]))
def test_nothing_but_what_was_declared_is_put_in_force_and_units_stay(order: list[str]) -> None:
    """Dropped one after the other in any order, each time for one that is left."""
    rules, declared = RULES, set(treatments_of(RULES).values())
    for at, name in enumerate(order[:-1]):
        rules = later(following(rules, [name], order[at + 1]))
        assert set(treatments_of(rules).values()) <= declared
        assert rules.policy.shadow == OWN.shadow
        if rules.branches:
            assert (shares_of(rules), rules.branch_salt) == (shares_of(RULES), RULES.branch_salt)
    assert treatments_of(rules) == {MAIN: treatments_of(RULES)[order[-1]]}


def test_who_was_dropped_is_not_compared_again() -> None:
    versions = [RULES, later(following(RULES, ["greedy"], "bold"), author="autopilot")]
    race = race_of(versions)
    assert (race.began, race.names) == (RULES, [MAIN, "bold"])
    bins = {(DAY_MS, Traffic.LEARNED): counts({MAIN: 1.0, "bold": 1.3, "greedy": 9.0})}
    certificate = decide(race, bins, 0, "clicks", 0.95, 5 * DAY_MS)
    assert [branch.standing for branch in certificate.branches] == ["dropped", "best", "dropped before"]
    assert (certificate.action, certificate.best, certificate.policies) == ("promote", "bold", {MAIN: BOLD})
    assert certificate.pair_level == pytest.approx(1.0 - 0.05 / 3), "of all that the trial began with"


def test_other_units_are_another_trial_and_a_changed_policy_is_none() -> None:
    again = later(RULES, branch_salt="branches-2", published_at=9 * DAY_MS)
    assert race_of([RULES, again]) == Race(again, again, [MAIN, "bold", "greedy"])
    assert race_of([RULES, later(RULES, template="wide")]).began == RULES
    changed = later(RULES, policy=PolicyChoice("ucb"), author="mira")
    with pytest.raises(ReshelfError, match=r"version 2 by mira changed the policy or template of main"):
        race_of([RULES, changed])
    with pytest.raises(ReshelfError, match=r"have the same policy and template"):
        race_of([msgspec.structs.replace(RULES, policy=BOLD)])


@pytest.fixture
def kafka(
    broker: str, prefix: str, make_topics: Callable[..., None], redis: Redis, redis_url: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> KafkaSettings:  # fmt: skip
    """A page on trial, whose policies earn as `CLEAR` says."""
    make_topics(broker)
    starts = {each.name: [0] for each in EVENT_TOPICS}
    manifest = manifest_of("live", prefix, starts, GROUPS, FoldSettings())
    redis.set(keys.manifest("live"), msgspec.json.encode(manifest))
    asyncio.run(fill(redis_url))
    settings = KafkaSettings(bootstrap=broker, prefix=prefix)
    topic.publish(settings, [RULES], "mira", "a trial", DAY_MS // 2)
    environment = {"KAFKA__BOOTSTRAP": broker, "KAFKA__PREFIX": prefix, "REDIS__URL": redis_url}
    for key, value in {**environment, "RUNS__FOLDER": str(tmp_path)}.items():
        monkeypatch.setenv(f"RESHELF_{key}", value)
    return settings


async def fill(url: str) -> None:
    delta = GroupDelta({TableKey("home", "a", DAY_MS, Traffic.LEARNED): TableDelta({"impressions": {("i", "s"): 1}})})
    learned = TableKey("home", "*", DAY_MS, Traffic.LEARNED)
    delta.bins = {learned: {at: row[:5].tolist() for at, row in enumerate(counts(CLEAR))}}
    async with AsyncRedis.from_url(url) as client:
        move = GroupUpdate(group_of("home", "*", GROUPS), 0, Watermark(1), delta)
        assert await Store(client, "live", GROUPS).apply(TopicPartition("events-clicks", 0), 0, [move]) == [1]


def test_the_last_one_is_promoted_with_a_certificate(
    kafka: KafkaSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["experiment", "autopilot", "home", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "promoted bold: main (" in text and "dry run, not published" in text
    assert topic.newest(kafka)["home"].version == 1 and not list(tmp_path.iterdir())

    assert run(["experiment", "autopilot", "home", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["action"], content["best"]) == ("promote", "bold")
    assert (content["version_before"], content["version_after"]) == (1, 2)
    rules = topic.newest(kafka)["home"]
    assert (rules.version, rules.branches, rules.author) == (2, [], "autopilot")
    assert rules.policy == msgspec.structs.replace(BOLD, shadow="ucb")
    assert rules.reason.startswith("promoted bold: main (") and "worse in clicks than bold for certain" in rules.reason
    (file,) = tmp_path.glob("autopilot-*.json")
    record = json.loads(file.read_bytes())
    assert (record["id"], record["kind"]) == (content["run"], "autopilot")
    assert record["results"]["branches"] == content["branches"]

    assert run(["experiment", "autopilot", "home"]) == 0
    assert capsys.readouterr().out == "home has no policies on trial\n"
    assert run(["experiment", "autopilot", "away"]) == 1
    assert "page 'away' is not declared" in capsys.readouterr().err
