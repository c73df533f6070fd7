"""What the server says to people comes from catalogs, in each language, and from nowhere else."""

from __future__ import annotations

import ast
import asyncio
import copy
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from confluent_kafka import ConsumerGroupState
from hypothesis import given
from hypothesis import strategies as st

from policy.rules.registry import KINDS
from reshelf.console.access_control import AccessControl
from reshelf.console.language import DEFAULT, as_json
from reshelf.console.notices.message import Notice, payload, subject
from reshelf.rules.file import check
from reshelf.rules.lint import lint
from reshelf.service_settings import ConsoleSettings
from reshelf.words.catalog import GAP, LANGUAGES, asked_language, catalog
from reshelf.words.read import as_said, crossed, relaxed, sentence_of
from reshelf.words.said import Said, in_language, joined, plain, say
from schemas.dead_letters import REASONS
from schemas.errors import BadSettings
from streams.kafka.bounds import unanswered
from streams.kafka.event_checks import PARTITIONER_REMEDY
from streams.settings import KafkaSettings
from streams.state.connection.errors import unavailable

ROOT = Path(__file__).parents[2]
ROOMS = [
    *(ROOT / "reshelf" / "console").rglob("*.py"),
    *(ROOT / "reshelf" / "rules" / f"{name}.py" for name in ("topic", "drafts", "edits", "lint")),
    *(
        ROOT / "reshelf" / "inspect" / f"{name}.py"
        for name in ("attribution_window", "duplicate_window", "event_sample", "quotas", "stage_rows", "shelves/words")
    ),
]
"""Where sentences for people were written."""
SAID_TO_OTHERS = re.compile(
    r"base-uri|default-src|style-src|(?:Content|Cross|Referrer|Cache|X)-[\w-]+|<html lang|^console: expected|any other"
    r"|Set console.port|reshelf/console/routes.py|: not in |back to version|\(approved by|content block"
)
"""What browsers are told in headers, who starts the console or changes it, and what stands in records of topics."""
WORDS = re.compile(r"[A-Za-z]{2,}[,:;]? +[A-Za-z]")
GROUPS = (
    "relaxed.",
    "kind.",
    "crossed.",
    "effect.",
    "shelf-rule.",
    "wrong.",
    "yaml.",
    "away.",
    "similar.",
    "similar-part.",
)


def gaps(text: Any) -> set[str]:
    return set(GAP.findall(json.dumps(text)))


def sentences(tree: ast.AST) -> Iterator[str]:
    """Texts of several words between quotes, without docstrings."""
    quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and "log." in ast.unparse(call.func):
            quiet |= {id(node) for node in ast.walk(call)}
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("Undelivered", "TypeError", "ValueError"):
            quiet |= {id(node) for node in ast.walk(call)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and id(node) not in quiet else None
        if isinstance(text, str) and WORDS.search(text) and not SAID_TO_OTHERS.search(text):
            yield text


def test_both_languages_say_everything() -> None:
    english, *others = (catalog(language) for language in LANGUAGES)
    for other in others:
        assert list(other) == list(english)
        for key, text in other.items():
            assert gaps(text) == gaps(english[key]), key
            bare = re.sub(r"\{\w+\}|`[^`]*`|Reshelf", "", str(text))
            assert re.search(r"[\u4e00-\u9fff]", bare) or not re.search(r"[A-Za-z]", bare), key
    assert all(set(text) == {"one", "other"} for text in english.values() if not isinstance(text, str))


def test_catalogs_have_what_the_code_asks_for_and_no_more() -> None:
    known = set(catalog("en"))
    files = [file.read_text("utf-8") for file in (ROOT / "reshelf").rglob("*.py")]
    code = "".join(text for text in files if "reshelf.words" in text)
    literal = set(re.findall(r'\b(?:say|joined)\(\s*"([^"]+)"', code))
    assert literal <= known
    begun = tuple(re.findall(r'\bsay\(\s*f"([a-z.-]+)\{', code)) + GROUPS
    quoted = set(re.findall(r'"([\w.-]+)"', code))
    assert {key for key in known if key not in literal | quoted and not key.startswith(begun)} == set()


@pytest.mark.parametrize("group", ["kind.", "wrong.", "yaml.", "similar.", "similar-part."])
def test_each_text_is_read_back_as_the_sentence_that_it_is(group: str) -> None:
    for key, text in catalog("en").items():
        if key.startswith(group):
            said = as_said(str(say(key, **dict.fromkeys(gaps(text), "x"))), group)
            assert isinstance(said, Said) and said.key == key


def test_what_workers_log_and_the_console_says_are_the_same_words() -> None:
    assert {reason: say(f"dead-letter.{reason}") for reason in REASONS} == REASONS
    assert say("sample.partitioner-next") == PARTITIONER_REMEDY
    for error in (unavailable("refused"), unanswered(KafkaSettings(), "refused")):
        assert "没有响应：refused" in in_language(as_said(str(error), "away."), "zh")
    for state in ConsumerGroupState:
        assert say(f"group.{state.name.lower()}")


def test_names_that_are_like_others_are_told_in_each_language() -> None:
    pages, faults = check("page: home\nslots: [a, 'A ']\n")
    (first, *_) = lint(pages[0], {})
    assert not faults and first == "slot 'A ' differs from 'a' by blanks at an end and case alone: they are two"
    assert in_language(first, "zh") == "位置“A ”与“a”仅有首尾空格和大小写之别：它们是两个名称"


@pytest.mark.parametrize("file", ROOMS, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_sentence_stands_in_the_code(file: Path) -> None:
    assert list(sentences(ast.parse(file.read_text("utf-8")))) == []


def test_a_sentence_in_the_code_is_noticed() -> None:
    tree = ast.parse('"""Not this."""\nlog.info("nor this one")\nraise Error(f"there is no {name} here")')
    assert list(sentences(tree)) == ["there is no "]


@given(st.text(min_size=1, max_size=8), st.integers(0, 10**6))
def test_a_sentence_is_english_as_text_and_can_be_had_in_each_language(page: str, count: int) -> None:
    said = say("notice.letters", count=count, topic=page, minutes=10)
    assert said == f"{count:,} dead letters from {page} in 10 minutes. See Pipeline."
    assert in_language(said, "zh") == f"10 分钟内有 {count:,} 条来自 {page} 的死信。请查看“管道”。"
    assert in_language(str(said), "zh") == said
    for other in (pickle.loads(pickle.dumps(said)), copy.deepcopy(said)):
        assert in_language(other, "zh") == in_language(said, "zh")
    assert plain(page).isprintable()


def test_sentences_stand_within_sentences() -> None:
    why = relaxed("pin shoe week: not in 3 of 16 slates")
    said = say("notice.guard-rail", page="home", why=joined("join.list", [why, "x"]))
    assert said.startswith("home: learned") and "pin shoe week: not in 3 of 16 slates, x" in said
    assert "固定“shoe week”：在 16 个版本中有 3 个未满足、x" in in_language(said, "zh")
    assert [in_language(say("duration.day", count=count, number="1"), "en") for count in (1, 2)] == ["1 day", "1 days"]


@given(st.sampled_from([key for key in catalog("en") if key.startswith(GROUPS)]), st.data())
def test_sentences_of_messages_are_read_back(key: str, data: st.DataObject) -> None:
    values = {gap: data.draw(st.sampled_from(["3", "shoe week", "-9.0%", "鞋"])) for gap in gaps(catalog("en")[key])}
    text, group = str(Said(key, values)), next(group for group in GROUPS if key.startswith(group))
    assert as_said(text, group) == text
    assert re.search(r"[\u4e00-\u9fff]", in_language(as_said(text, group), "zh"))


def test_what_rules_say_of_layouts_is_in_the_catalogs() -> None:
    assert in_language(crossed("clicks -9.0% to -7.0%; orders -3.0% to -1.0%"), "zh") == (
        "点击 -9.0% 至 -7.0%；订单 -3.0% 至 -1.0%"
    )
    source = "".join(file.read_text("utf-8") for file in (ROOT / "policy" / "rules").rglob("*.py"))
    effects = re.findall(r'\beffect = f"([^"]+)"|effects.append\(f"([^"]+)"|NOTHING_AVAILABLE = "([^"]+)"', source)
    assert len(effects) >= len(KINDS) - 4
    for text in ("".join(forms) for forms in effects):
        filled = re.sub(r"\{[^}]*\}", "x", text)
        assert isinstance(as_said(filled, "effect."), Said) or isinstance(as_said(filled, "relaxed."), Said), text


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("zh", "zh"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("fr, en-GB", "en"), ("*", "en"), ("ZH-TW", "zh")],
)
def test_a_browser_says_which_language_it_wants(header: str, language: str) -> None:
    assert asked_language(header, "en") == language


def test_errors_have_a_sentence_in_front_in_each_language() -> None:
    told, untold = BadSettings(say("draft.why")), BadSettings("topics are missing")
    assert in_language(sentence_of(told), "zh") == "请填写原因：审批的人需要知道为什么要发布"
    assert str(sentence_of(untold)) == "topics are missing"
    assert sentence_of(unanswered(KafkaSettings(), "refused")).key == "away.kafka"
    assert in_language(sentence_of(untold), "zh") == "操作未能完成。技术详情：topics are missing"
    assert json.loads(as_json({"error": sentence_of(told), "n": [1.5]}, "zh"))["n"] == [1.5]


def test_a_refusal_is_in_the_language_of_who_asks() -> None:
    async def refusals() -> list[str]:
        app = web.Application(middlewares=[AccessControl(ConsoleSettings()).check])
        app[DEFAULT] = "zh"
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address, host = f"http://127.0.0.1:{runner.addresses[0][1]}/", {"Host": "shop.example"}
        async with ClientSession() as session:
            answers = [await session.get(address, headers=host | more) for more in ({}, {"Accept-Language": "en"})]
            errors = [(await answer.json())["error"] for answer in answers]
        await runner.cleanup()
        return errors

    assert asyncio.run(refusals()) == [
        "没有令牌时只应答本机的名称，收到的是“shop.example”",
        "without a token only names of this machine are answered, got 'shop.example'",
    ]


def test_notices_are_in_the_language_that_is_set() -> None:
    notice = Notice("stale-layouts", "", say("notice.stale", expired=3, count=9), "pipeline")
    assert subject([notice, notice], "zh") == (
        "Reshelf：9 个布局中有 3 个已过期，因此渲染端显示后备内容。布局生成进程在运行吗？（另有 1 条）"
    )
    sent = payload([notice], "", "zh")
    assert sent["text"] == sent["notices"][0]["text"] == in_language(notice.text, "zh")
