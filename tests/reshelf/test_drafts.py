"""Drafts by name, and publishing by two people: from the topic to a version in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from reshelf.cli.main import run
from reshelf.console.followed.drafts import Drafts
from reshelf.console.followed.topic_tail import TopicTail, keyed
from reshelf.console.views.planning.saved_drafts import approved, deleted, listed, opened, saved
from reshelf.console.views.rules import published
from reshelf.people.file import add_person
from reshelf.people.person import Person, Role, person_with
from reshelf.rules import drafts
from reshelf.rules.topic import Overtaken, newest, publish
from reshelf.settings import Settings, variable
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.drafts import PageDraft
from schemas.messages.pages import PageRules
from schemas.topics import PAGE_DRAFTS
from streams.settings import KafkaSettings
from tests.deadline import Deadline
from tests.reshelf.console_view import console_view

NOW = 1_790_000_000_000
TEXT = "page: home\nslots: [top]\nrules:\n- {kind: pin, name: week, item: i1, slot: top}\n"
ANN, TOM = person_with("Ann", [Role.PUBLISH, Role.APPROVE]), person_with("Tom", [Role.APPROVE])


@pytest.fixture
def kafka(broker: str, prefix: str, make_topics: Callable[..., None]) -> KafkaSettings:
    """Topics of its own with a page in force."""
    make_topics(broker)
    settings = KafkaSettings(bootstrap=broker, prefix=prefix)
    publish(settings, [PageRules("home", 0, ["top"])], "Max", "first", NOW)
    return settings


def draft(**more: Any) -> PageDraft:
    return msgspec.structs.replace(
        PageDraft("shoe week", "home", 0, TEXT, version=1, author="Ann", reason="it begins", asked=True), **more
    )


def approve(kafka: KafkaSettings, revision: int, person: Person) -> list[PageRules]:
    return drafts.approve(Settings(kafka=kafka), "shoe week", revision, person, NOW)


def test_a_draft_that_waits_is_held_to_what_the_settings_allow(kafka: KafkaSettings) -> None:
    drafts.save(kafka, draft(text=TEXT + "segments: learned\n"))
    with pytest.raises(BadSettings, match=r"expected the setting segments\.learned to be on"):
        approve(kafka, 1, TOM)
    assert newest(kafka)["home"].version == 1


def test_a_draft_is_kept_approved_by_another_and_gone(kafka: KafkaSettings) -> None:
    assert drafts.save(kafka, draft()).revision == 1
    second = drafts.save(kafka, draft(revision=1, text=TEXT.replace("i1", "i2")))
    assert drafts.drafts(kafka) == {"shoe week": second}
    for mine in (draft(), draft(revision=1), draft(revision=3)):
        with pytest.raises(Overtaken, match="Ann saved revision 2 meanwhile"):
            drafts.save(kafka, mine)
    with pytest.raises(BadSettings, match="is of Ann: somebody else"):
        approve(kafka, 2, ANN)
    with pytest.raises(Overtaken):
        approve(kafka, 1, TOM)
    (version,) = approve(kafka, 2, TOM)
    assert (version.version, version.author, version.reason) == (2, "Ann", "it begins (approved by Tom)")
    assert newest(kafka)["home"] == version
    assert drafts.drafts(kafka) == {}
    with pytest.raises(ReshelfError, match="there is no draft 'shoe week'; there are: none"):
        approve(kafka, 2, TOM)


def test_what_does_not_fit_wait_or_stand_is_not_published(kafka: KafkaSettings) -> None:
    drafts.save(kafka, draft(asked=False))
    with pytest.raises(BadSettings, match="does not wait for approval"):
        approve(kafka, 1, TOM)
    drafts.save(kafka, draft(revision=1, text=TEXT.replace("pin", "pen")))
    with pytest.raises(BadSettings, match="draft shoe week, line 4"):
        approve(kafka, 2, TOM)
    drafts.save(kafka, draft(revision=2, text=TEXT.replace("home", "cart")))
    with pytest.raises(BadSettings, match="expected one page, 'home'"):
        approve(kafka, 3, TOM)
    drafts.save(kafka, draft(revision=3))
    publish(kafka, [PageRules("home", 0, ["top", "left"])], "Max", "wider", NOW)
    with pytest.raises(Overtaken, match="Max published version 2 meanwhile"):
        approve(kafka, 4, TOM)
    assert newest(kafka)["home"].slots == ["top", "left"]
    drafts.delete(kafka, "shoe week", 4)
    assert drafts.drafts(kafka) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"draft": " "}, "expected a name"),
        ({"draft": "a\nb"}, "expected a name"),
        ({"reason": ""}, "expected a reason"),
        ({"reason": "x" * 257}, "256 of a reason"),
        ({"text": "x" * 400_001}, "400,000 characters"),
    ],
)
def test_a_draft_that_cannot_be_kept_is_refused_before_anything_is_read(change: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSettings, match=said):
        drafts.save(KafkaSettings(bootstrap="127.0.0.1:1"), draft(**change))


def test_the_console_keeps_drafts_and_publishes_nothing_alone_where_two_are_needed(kafka: KafkaSettings) -> None:
    settings = Settings(kafka=kafka).changed(publishing={"two_people": True})
    view = console_view(settings)
    body = {"page": "home", "text": TEXT, "version": 1, "author": "Ann", "reason": "it begins"}
    with pytest.raises(BadSettings, match="nobody publishes alone"):
        published(view, body)
    put = {"do": "put", "rule": {"kind": "pin", "name": "week", "item": "i1", "slot": "top"}}
    kept = saved(view, body | {"draft": "shoe week", "text": "", "edits": [put], "asked": True})
    assert (kept["revision"], kept["version"], kept["wrong"]) == (1, 1, [])
    saved(view, body | {"draft": "idea", "text": "page: [", "asked": False})
    assert [row["draft"] for row in listed(view)["drafts"]] == ["shoe week", "idea"]
    elsewhere = Drafts()
    tail = TopicTail(kafka, PAGE_DRAFTS, keyed(elsewhere.take))
    end = Deadline(20)
    while len(elsewhere.by_name()) < 2 and end.ahead:
        tail.read()
    tail.close()
    assert elsewhere.by_name() == view.drafts.by_name()
    shown = opened(view, "shoe week")
    assert "name: week" in shown["text"] and any(line.startswith("+") for line in shown["changes"])
    assert opened(view, "idea")["wrong"]
    done = approved(view, {"draft": "shoe week", "revision": 1, "author": "Tom"})
    assert done == {"published": [{"page": "home", "version": 2}]}
    assert deleted(view, {"draft": "idea", "revision": 1}) == {"deleted": "idea"}
    assert listed(view) == {"drafts": [], "two_people": True}
    with pytest.raises(BadSettings, match="revision: expected"):
        deleted(view, {"draft": "idea", "revision": "1"})


def test_two_people_publish_by_commands_with_their_tokens(
    kafka: KafkaSettings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tokens = {"Ann": "the token of Ann, long enough", "Tom": "the token of Tom, long enough"}
    people, file = tmp_path / "people.toml", tmp_path / "home.yaml"
    add_person(people, "Ann", [Role.PUBLISH], tokens["Ann"])
    add_person(people, "Tom", [Role.APPROVE], tokens["Tom"])
    file.write_text(TEXT)
    values = {"kafka.bootstrap": kafka.bootstrap, "kafka.prefix": kafka.prefix, "publishing.two_people": "true"}
    for key, value in values.items():
        monkeypatch.setenv(variable(key), value)

    def reshelf(name: str, *command: str) -> tuple[int, str]:
        monkeypatch.setenv(variable("publishing.token"), tokens.get(name, ""))
        status = run(["rules", *command])
        out = capsys.readouterr()
        return status, out.out + out.err

    save = "draft", "save", "week", str(file), "--ask", "--reason", "it begins"
    assert "expected publishing.people to name people" in reshelf("Ann", *save)[1]
    monkeypatch.setenv(variable("publishing.people"), str(people))
    assert reshelf("Ann", "apply", str(file))[0] == 2
    for name, said in (("", "no publishing.token is set"), ("Tom", "Tom has: approve, look")):
        assert reshelf(name, *save) == (2, f"reshelf: this needs the role edit; {said}\n")
    assert "--author: people are named" in reshelf("Ann", *save, "--author", "Tom")[1]
    assert reshelf("Ann", *save) == (0, "week (home), revision 1, Ann, waits for approval: it begins\n")
    assert reshelf("", "draft", "show", "week") == (0, TEXT)
    approval = "draft", "approve", "week", "--revision", "1"
    assert "this needs the role approve" in reshelf("Ann", *approval)[1]
    assert reshelf("Tom", *approval) == (0, "home: version 2, it begins (approved by Tom)\n")
    assert json.loads(reshelf("", "draft", "list", "--json")[1]) == {"drafts": []}
    assert reshelf("Ann", *save)[0] == 0
    assert reshelf("Ann", "draft", "delete", "week") == (0, "week: deleted; it was of Ann\n")
