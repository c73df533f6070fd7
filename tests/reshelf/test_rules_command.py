"""Rules from a file to the topic and back, as merchandisers use them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from zoneinfo import ZoneInfo

import msgspec
import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from reshelf.cli.main import run
from reshelf.rules.file import check, read, written
from reshelf.rules.lint import lint
from reshelf.rules.topic import Overtaken, history, newest, publish
from reshelf.topics.publish import deliver
from schemas.codec import encode, encode_key
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import Candidates, PageRules
from schemas.rules import Exposure, Match, Pin
from schemas.topics import PAGE_RULES, PAGE_RULES_HISTORY
from streams.kafka.clients import confluent_producer_config
from streams.settings import KafkaSettings
from tests.delivery import flush

FILE = """
- page: home
  slots: [hero, a, b]
  candidates:
    categories: [shoes]
  rules:
    - {kind: pin, name: week, item: sku-1, slot: hero, starts_at: 2026-12-01, ends_at: 2026-12-08T06:00:00+01:00}
    - kind: exposure
      name: new
      match: {newer_than_days: 14}
      least: 0.25
- page: cart
  slots: [x]
"""


def test_a_file_is_read_dates_and_all() -> None:
    home, cart = read(FILE, "rules.yaml")
    assert (home.page, cart.page, home.candidates.categories) == ("home", "cart", ["shoes"])
    pin, new = home.rules
    assert isinstance(pin, Pin) and (pin.starts_at, pin.ends_at) == (1_796_083_200_000, 1_796_706_000_000)
    assert new == Exposure(name="new", match=Match(newer_than_days=14.0), least=0.25)
    assert read(written([home, cart]), "again") == [home, cart]


@pytest.mark.parametrize(
    ("written_as", "zone", "expected"),
    [
        ('"2026-12-08T06:00:00+01:00"', "UTC", 1_796_706_000_000),
        ("'2026-12-08'", "UTC", 1_796_688_000_000),
        ("2026-12-08", "Europe/Berlin", 1_796_684_400_000),
        ("2026-12-08T06:00:00", "Europe/Berlin", 1_796_706_000_000),
        ("1796706000000", "Europe/Berlin", 1_796_706_000_000),
    ],
)
def test_times_may_be_quoted_and_are_the_shops(written_as: str, zone: str, expected: int) -> None:
    text = FILE.replace("2026-12-08T06:00:00+01:00", written_as)
    home, _ = read(text, "rules.yaml", ZoneInfo(zone))
    assert home.rules[0].ends_at == expected
    again = written([home], ZoneInfo(zone))
    assert read(again, "again") == [home], "with its zone written, it is the same anywhere"
    assert ("'2026-12-0" in again) and (zone == "UTC" or "+01:00'" in again)


@pytest.mark.parametrize(
    ("written_as", "said"),
    [
        ("1796706000", "looks like seconds since 1970 (2026-12-08T05:00:00Z); in milliseconds it is 1796706000000"),
        ("1796706000000000", "looks like microseconds"),
        ("20261208", "looks like a date written as a number"),
        ("soon", "expected a date or time like 2026-12-01T06:00:00+01:00, got 'soon'"),
        ("2027-03-28T02:30", "is not there in Europe/Berlin, where clocks change"),
        ("2027-10-31 02:30:00", "is twice in Europe/Berlin, where clocks change"),
        ("[2027]", "Expected `int`, got `array`"),
    ],
)
def test_a_time_that_nobody_means_is_refused_with_what_it_looks_like(written_as: str, said: str) -> None:
    _, wrong = check(FILE.replace("2026-12-08T06:00:00+01:00", written_as), ZoneInfo("Europe/Berlin"))
    assert [line for line, _ in wrong] == [7]
    assert said in wrong[0].text


def test_what_can_only_be_a_mistake_is_said() -> None:
    (page,) = read("page: p\nslots: [hero, Hero, 'a ']\nattribution_window: 604800\n", "f")
    page = msgspec.structs.replace(page, candidates=Candidates(brands=["nordfell"]))
    catalog = {"i": CatalogItem("i", "i", brand="Nordfell")}
    assert lint(page, catalog) == [
        "slot 'Hero' differs from 'hero' by case alone: they are two",
        "slot 'a ' has blanks at an end",
        "attribution_window: 604800 ms are 10 minutes; 7 days in seconds, perhaps: in milliseconds they are 604800000",
        "candidates: no item of the catalog fits brands: nordfell (there is 'Nordfell')",
    ]


def test_a_window_may_be_left_out_and_stays_out() -> None:
    home, cart = read(FILE.replace("slots: [x]", "slots: [x]\n  attribution_window: 86400000"), "rules.yaml")
    assert (home.attribution_window, cart.attribution_window) == (UNSET, 86_400_000)
    text = written([home, cart])
    assert text.count("attribution_window") == 1
    assert read(text, "again") == [home, cart]
    (said,) = [one.text for one in check(FILE.replace("slots: [x]", "slots: [x]\n  window: 86400000"))[1]]
    assert "attribution_window" in said, "what may be said is named where a field is mistyped"


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("slot: hero", "slot: heroo", 7, "expected one of the page's slots (hero, a, b), got 'heroo'"),
        ("least: 0.25", "least: 25", 11, "Expected `float` <= 1.0 at rules[1].least"),
        ("least: 0.25", "least: 0\n      most: 0.05", 12, "expected at least one of the page's 16 slates, 0.0625, got"),
        ("kind: exposure", "kind: exposures", 8, "Invalid value 'exposures', not one of pin, boost, cap"),
        ("name: new", "name: week", 2, "Expected `rules` to have a name each"),
        ("categories: [shoes]", "categories: shoes", 5, "Expected `array`, got `str` at candidates.categories"),
        ("page: cart", "page: home", 12, "page 'home' is in the file twice"),
        ("slots: [x]", "slots: [x", 14, "not YAML: "),
        ("slots: [x]", "slots: [x]\n  version: 3", 14, "`version` is filled in when the rules are published"),
        ("slots: [x]", "slots: [x]\n  attribution_window: 0", 14, "Expected `int` >= 1000 at attribution_window"),
        ("slots: [x]", "slots: [x, x]", 12, "Expected `slots` to name each slot once"),
        ("slots: [x]", "slot: [x]\n  slots: [x]", 13, "there is no field `slot` here; there are: page, slots"),
        ("categories: [shoes]", "catagories: [shoes]", 5, "there is no field `catagories` here; there are: items"),
        ("slots: [x]", "slots: [x]\n  policy: {varaints: 4}", 14, "there is no field `varaints` here; there are: name"),
        ("slots: [x]", "slots: [x]\n  slots: [y]", 14, "`slots` is given twice"),
        ("slots: [x]", "slots: &all [x, *all]", 13, "an alias leads back to what it stands in"),
        ("2026-12-01", "2026-13-01", 7, "expected a date or time, got '2026-13-01': month must be in 1..12"),
        ("newer_than_days: 14", "newer: 14", 10, "Object contains unknown field `newer` at rules[1].match"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, line: int, said: str) -> None:
    _, wrong = check(FILE.replace(old, new))
    assert (line, said) in [(one.line, one.text[: len(said)]) for one in wrong]


ALIASES = "".join(f"{after}: &{after} [{','.join(['*' + before] * 10)}]\n" for before, after in pairwise("abcdefghi"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + ALIASES, "names and values, those that aliases stand for included"),
        ("a: &a {p: 1, q: 2}\nb: &b {<<: [*a, *a]}\n", "missing required field"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("- " * 60_000, "nested too deeply"),
        ("page: home\nslots: [a]\n" + "".join(f"n{at}: 1\n" for at in range(20_000)), "there is no field `n0`"),
        ("[" + "{page: a, slots: [b]}," * 7_000 + "]", "page 'a' is in the file twice"),
        ("page: " + "1" * 4_900, "a value cannot be read"),
        ("page: " + "1:" * 100_000 + "1", "expected a value of at most 5,000 characters"),
        ("page: home" * 500_000, "expected at most 4,000,000 characters"),
        ("page: \ud800", "half of a pair of surrogates"),
        ("- *a", "undefined alias"),
    ],
)
def test_a_text_that_is_large_or_deep_is_refused_before_it_takes_long(text: str, said: str) -> None:
    began = time.process_time()
    _, wrong = check(text)
    assert said in wrong[0].text
    assert time.process_time() - began < 20, "the time hangs on more than the length"


def test_all_rules_that_do_not_fit_are_told_at_once() -> None:
    faulty = FILE.replace("slot: hero", "slott: hero").replace("least: 0.25", "least: 25").replace("[shoes]", "shoes")
    assert [one.line for one in check(faulty)[1]] == [5, 7, 11]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        assert read(text, "f")
    except BadSettings as error:
        assert "f, line " in str(error)


def test_what_is_no_text_is_refused_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.yaml"
    file.write_bytes(FILE.replace("week", "f\u00eate").encode("latin-1"))
    assert run(["rules", "check", str(file)]) == 2
    assert "expected text in UTF-8" in capsys.readouterr().err


def test_names_that_the_catalog_does_not_have_are_told() -> None:
    (page,) = read(
        "{page: p, slots: [x, y], blocks: [guide], candidates: {categories: [kichen, bath]}, rules: ["
        "{kind: pin, name: week, item: kettel, slot: x}, {kind: pin, name: help, item: guide, slot: y}, "
        "{kind: boost, name: up, match: {brands: [Nord], tags: [t]}, factor: 2}]}",
        "f",
    )
    catalog = {"kettle": CatalogItem("kettle", "Kettle", category="bath", brand="Nordfell", tags=["t"])}
    assert lint(page, catalog) == [
        "candidates: no item of the catalog fits categories: kichen",
        "week: the catalog has no item kettel, so the pin waits until it has",
        "up: no item of the catalog fits brands: Nord",
    ]
    assert lint(page, {}) == []


def test_contradictory_pins_are_found_unless_they_never_meet() -> None:
    pins = "rules: [{kind: pin, name: a, item: i, slot: x%s}, {kind: pin, name: b, item: j, slot: x%s}]"
    page = "page: p\nslots: [x]\n" + pins
    assert "already taken by pin 'a'" in check(page % ("", ""))[1][0].text
    assert not check(page % (", ends_at: 2027-01-05", ", starts_at: 2027-01-05"))[1]
    assert not check(page % (", segments: [s]", ", segments: [t]"))[1]


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run(["rules", *arguments, "--json"]) == 0
    answer: dict[str, object] = json.loads(capsys.readouterr().out)
    return answer


def test_publish_change_roll_back(
    broker: str,
    prefix: str,
    make_topics: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_topics(broker)
    monkeypatch.setenv("RESHELF_KAFKA__BOOTSTRAP", broker)
    monkeypatch.setenv("RESHELF_KAFKA__PREFIX", prefix)
    file = tmp_path / "rules.yaml"
    file.write_text(FILE)
    assert told(capsys, "check", str(file)) == {"pages": 2, "rules": 2}
    first = told(capsys, "apply", str(file), "--author", "mira", "--reason", "shoe week")
    assert [one["version"] for one in first["published"]] == [1, 1]  # type: ignore[attr-defined]
    assert told(capsys, "apply", str(file)) == {"published": [], "warnings": []}
    file.write_text(FILE.replace("least: 0.25", "least: 0.5"))
    second = told(capsys, "apply", str(file), "--author", "tom")
    assert [(one["page"], one["version"]) for one in second["published"]] == [("home", 2)]  # type: ignore[attr-defined]
    back = told(capsys, "rollback", "home", "--author", "mira", "--reason", "too much")
    assert (back["version"], back["reason"]) == (3, "back to version 1: too much")
    versions = told(capsys, "history", "home")["versions"]
    assert [(one["version"], one["author"]) for one in versions] == [(1, "mira"), (2, "tom"), (3, "mira")]  # type: ignore[attr-defined]
    in_force = told(capsys, "show", "home")
    assert in_force["rules"][1]["least"] == 0.25  # type: ignore[index]
    capsys.readouterr()
    assert run(["rules", "rollback", "home", "--to", "1"]) == 0
    assert "nothing differs from what is in force: home: version 3, back to version 1" in capsys.readouterr().out
    for command in ("rollback", "history", "show"):
        assert run(["rules", command, "hom"]) == 1
        assert "page 'hom' is not declared; declared are: cart, home" in capsys.readouterr().err
    assert run(["rules", "rollback", "home", "--to", "9"]) == 2
    assert "kept are: 1, 2, 3" in capsys.readouterr().err
    assert run(["rules", "show", "nowhere"]) == 1
    file.write_text("page: p\nslots: []")
    assert run(["rules", "apply", str(file)]) == 2
    assert "line 2" in capsys.readouterr().err


def at_once(kafka: KafkaSettings, base: dict[str, int] | None, people: int = 4) -> list[str]:
    """Each of some people publishes a change of a page of their own making; gives whose was refused."""
    refused, barrier = list[str](), Barrier(people)

    def change(person: int) -> None:
        barrier.wait()
        try:
            publish(kafka, [PageRules("home", 0, [f"slot-{person}"])], f"p{person}", "", 10_000 + person, base)
        except Overtaken:
            refused.append(f"p{person}")

    with ThreadPoolExecutor(people) as pool:
        list(pool.map(change, range(people)))
    return refused


def test_of_several_who_publish_at_once_each_is_told_what_became_of_it(
    any_broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(any_broker, names=("page-rules", "page-rules-history"))
    kafka = KafkaSettings(bootstrap=any_broker, prefix=prefix)
    publish(kafka, [PageRules("home", 0, ["a"])], "mira", "", 1)
    refused = at_once(kafka, {"home": 1})
    now = newest(kafka)["home"]
    assert (now.version, {now.author, *refused}) == (2, {"p0", "p1", "p2", "p3"})
    assert len(refused) == 3
    assert [one.author for one in history(kafka, "home")] == ["mira", now.author]
    # Without a version to change from the order is anyone's, but each has a number of its own and the last is in force.
    assert not at_once(kafka, None)
    versions = history(kafka, "home")
    assert [one.version for one in versions] == list(range(1, len(versions) + 1))
    assert newest(kafka)["home"] == versions[-1]
    assert {one.author for one in versions[2:]} >= {"p0", "p1", "p2", "p3"} - {now.author}


def test_who_was_cut_off_while_publishing_stops_nobody_for_long(
    broker: str, prefix: str, make_topics: Callable[..., None]
) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    publish(kafka, [PageRules("home", 0, ["a"])], "mira", "", 1)
    claim = PageRules("home", 2, ["b"], author="tom", published_at=50_000)
    deliver(kafka, PAGE_RULES_HISTORY, [(encode_key(PAGE_RULES_HISTORY, "home"), encode(claim))])
    change = [PageRules("home", 0, ["c"])]
    with pytest.raises(Overtaken, match="somebody is publishing version 2"):
        publish(kafka, change, "ann", "", 51_000, {"home": 1})
    (mended,) = publish(kafka, change, "ann", "", 200_000, {"home": 1})
    assert mended.version == 3
    with pytest.raises(Overtaken, match="ann published version 3 meanwhile: expected to change version 1"):
        publish(kafka, change, "ann", "", 200_000, {"home": 1})


def test_numbers_go_on_where_the_history_stands(broker: str, prefix: str, make_topics: Callable[..., None]) -> None:
    make_topics(broker)
    kafka = KafkaSettings(bootstrap=broker, prefix=prefix)
    for slots in (["a"], ["a", "b"]):
        publish(kafka, [PageRules("home", 0, slots)], "mira", "", 1)
    lost = Producer(confluent_producer_config(kafka))
    lost.produce(prefix + PAGE_RULES.name, None, encode_key(PAGE_RULES, "home"))
    flush(lost)
    assert newest(kafka) == {}
    (again,) = publish(kafka, [PageRules("home", 0, ["a"])], "mira", "", 1)
    assert again.version == 3
    assert [one.version for one in history(kafka, "home")] == [1, 2, 3]


def test_what_is_written_is_what_was_read() -> None:
    page = PageRules("p", 7, ["x"], rules=[Pin(name="a", item="i", slot="x", segments=["s"])], author="a")
    assert read(written([page]), "f") == [PageRules("p", 0, ["x"], rules=page.rules)]
