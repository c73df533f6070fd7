"""Notices: what is told, once, where to, and without secrets."""

from __future__ import annotations

import asyncio
import smtplib
from collections import Counter
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any, ClassVar, Self

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from reshelf.console.notices.channels import Mail, Undelivered, Webhook, channels
from reshelf.console.notices.conditions import LETTERS_MS, Facts, Watch, notices
from reshelf.console.notices.marks import CLAIM_S, KEPT_S, Marks
from reshelf.console.notices.message import MOST, Notice, payload, subject, text
from reshelf.console.notices.rounds import tell
from reshelf.inspect.layout_store import LayoutStore
from reshelf.service_settings import NoticeSettings, require_channels
from schemas.codec import encode
from schemas.errors import BadSettings
from schemas.messages.catalog import CatalogItem
from schemas.messages.pages import PageRules
from schemas.rules import Boost, Match, Pin
from streams.catalog.page import Key
from streams.metrics import REGISTRY
from streams.settings import RedisSettings
from streams.state.connection.client import redis_client
from tests.reshelf.test_console import layout_of

NOW = 1_790_000_000_000
SECRET = "https://hooks.shop.example/T000/very-secret"
NOTHING = Facts(NOW, {}, {}, {}, {}, {}, (0, 9))


def told(facts: Facts) -> list[tuple[str, str]]:
    return [(notice.kind, notice.text) for notice in notices(facts, 10)]


def test_where_all_is_well_nobody_is_told() -> None:
    item = CatalogItem("i1", "i1")
    rules = PageRules("home", 1, ["top"], rules=[Pin(name="week", item="i1", slot="top")])
    fine = NOTHING._replace(rules={"home": rules}, items={"i1": item}, letters={"events-clicks": 9})
    assert told(fine) == []


def test_each_kind_is_told_with_where_to_look() -> None:
    facts = NOTHING._replace(
        guard_rails={"home": "clicks -9.0% to -7.0%"},
        letters={"events-clicks": 1_200},
        expired=(3, 9),
    )
    assert [(kind, text.split(":")[0]) for kind, text in told(facts)] == [
        ("guard-rail", "home"),
        ("dead-letters", "1,200 dead letters from events-clicks in 10 minutes. See Pipeline."),
        ("stale-layouts", "3 of 9 layouts expired, so renderers show their fallback. Does a layout producer run?"),
    ]


def test_a_rule_that_cannot_hold_is_told_once_for_a_page_whatever_the_count_of_slates() -> None:
    relaxed = {Key("home", "cooks"): ["cap: not in 3 of 16 slates", "cap: not in the baseline"],
               Key("home", "old"): ["cap: not in 5 of 16 slates", "week: x"]}  # fmt: skip
    first, second = notices(NOTHING._replace(relaxed=relaxed), 10)
    assert first.text == "home: the rule cap cannot hold for cooks and 1 more segments: not in 3 of 16 slates."
    assert second.about == "home\nweek"
    later = {Key("home", "cooks"): ["cap: not in 1 of 16 slates"]}
    assert [notice.key for notice in notices(NOTHING._replace(relaxed=later), 10)] == [first.key]


@pytest.mark.parametrize(
    ("change", "sold_out"),
    [({}, False), ({"available": False}, True), ({"available_until": NOW}, True), ({"available_from": NOW + 1}, True)],
)
def test_a_pin_of_what_cannot_be_bought_is_told_while_it_is_in_force(change: dict[str, Any], sold_out: bool) -> None:
    item = msgspec.structs.replace(CatalogItem("i1", "i1"), **change)
    dates = [(0, NOW + 1), (NOW, NOW + 1), (NOW + 1, NOW + 2), (0, NOW)]
    pins = [
        Pin(name=f"pin-{at}", item="i1", slot="top", starts_at=begin, ends_at=end)
        for at, (begin, end) in enumerate(dates)
    ]
    rules = PageRules("home", 1, ["top"], rules=[*pins, Boost(name="b", match=Match(items=["i1"]), factor=2.0)])
    said = notices(NOTHING._replace(rules={"home": rules}, items={"i1": item}), 10)
    names = [notice.about.split("\n")[1] for notice in said if notice.kind == "sold-out-pin"]
    assert names == (["pin-0", "pin-1"] if sold_out else [])


@given(st.lists(st.tuples(st.integers(0, LETTERS_MS), st.integers(0, 50)), min_size=1, max_size=8))
def test_dead_letters_are_those_of_the_last_minutes(steps: list[tuple[int, int]]) -> None:
    watching, at, total, seen = Watch(), NOW, 0, list[tuple[int, int]]()
    for later, more in steps:
        at, total = at + later, total + more
        seen.append((at, total))
        counted = watching.letters(Counter({"t": total}), at)
        inside = [before for when, before in seen if when > at - LETTERS_MS]
        assert total - inside[0] <= counted.get("t", 0) <= total - seen[0][1]


def test_layouts_are_decoded_once_and_forgotten_with_their_page() -> None:
    store, watching = LayoutStore(), Watch()
    layout = msgspec.structs.replace(layout_of(1, [{"s": "a"}]), relaxed=["cap: x"])
    store.take(Key("home", "cooks"), encode(layout))
    assert watching.relaxed(store, ["home"]) == {Key("home", "cooks"): ("cap: x",)}
    store.take(Key("home", "cooks"), encode(layout_of(2, [{"s": "a"}])))
    assert watching.relaxed(store, ["home"]) == {}
    store.take(Key("home", "cooks"), encode(msgspec.structs.replace(layout, version=3)))
    assert watching.relaxed(store, []) == {}


def some(count: int) -> list[Notice]:
    return [Notice("sold-out-pin", f"{at}", f"pin {at}\nis sold out", "rules", "shoes & hats") for at in range(count)]


def test_a_message_is_of_bounded_size_with_links() -> None:
    many = some(MOST + 3)
    console = "https://console.shop.example/"
    assert subject(many) == f"Reshelf: pin 0 is sold out (and {MOST + 2} more)"
    assert text(many, console).endswith("and 3 more, which the console shows")
    said = payload(many, console)
    assert (len(said["notices"]), said["left_out"]) == (MOST, 3)
    assert said["notices"][0]["link"] == "https://console.shop.example/#rules?page=shoes%20%26%20hats"
    assert payload(many, "")["notices"][0]["link"] == ""


class Recorder:
    name = "webhook"

    def __init__(self) -> None:
        self.sent, self.works = list[list[str]](), True

    async def send(self, notices: Sequence[Notice]) -> None:
        if not self.works:
            raise Undelivered("away")
        self.sent.append([notice.about for notice in notices])


def test_each_is_told_once_by_any_console_and_again_after_a_failure(redis: Redis, redis_url: str, prefix: str) -> None:
    async def rounds() -> tuple[Recorder, Recorder]:
        async with redis_client(RedisSettings(url=redis_url)) as client:
            marks, first, second = Marks(client, prefix), Recorder(), Recorder()
            first.works = False
            await tell(first, marks, some(2))
            first.works = True
            await asyncio.gather(tell(first, marks, some(2)), tell(second, marks, some(2)))
            await tell(first, Marks(client, prefix), some(3))
            await tell(second, Marks(client, prefix), some(3))
            return first, second

    failed = REGISTRY.value("reshelf_notices_total", "webhook", "failed")
    first, second = asyncio.run(rounds())
    assert sorted(about for sent in first.sent + second.sent for about in sent) == ["0", "1", "2"]
    assert REGISTRY.value("reshelf_notices_total", "webhook", "failed") == failed + 2
    lives = [int(redis.ttl(key)) for key in redis.scan_iter(f"*{{{prefix}}}:mark:*")]
    assert len(lives) == 3 and min(lives) > CLAIM_S and max(lives) <= KEPT_S


def test_a_webhook_gets_json_and_what_it_answers_counts() -> None:
    got, answers = list[Any](), [200, 302, 500]

    async def take(request: web.Request) -> web.Response:
        got.append(await request.json())
        return web.Response(status=answers[len(got) - 1], headers={"Location": "/elsewhere"})

    async def send() -> list[str]:
        app = web.Application()
        app.router.add_post("/hook-secret", take)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        settings = NoticeSettings(webhook=f"http://127.0.0.1:{runner.addresses[0][1]}/hook-secret")
        said = [await outcome(Webhook(settings)) for _ in answers]
        await runner.cleanup()
        return [*said, await outcome(Webhook(settings))]

    said = asyncio.run(send())
    assert said[:3] == ["", "the webhook answered 302: expected 2xx", "the webhook answered 500: expected 2xx"]
    assert said[3].startswith("the webhook cannot be reached")
    assert got[0] == payload(some(1), "")
    assert "secret" not in "".join(said)


async def outcome(channel: Webhook | Mail) -> str:
    try:
        await channel.send(some(1))
    except Undelivered as error:
        return str(error)
    return ""


class Server:
    """A mail server that takes what is sent, or refuses the password."""

    deeds: ClassVar[list[Any]] = []
    refuses = False

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.deeds.append((host, port, timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.deeds.append("quit")

    def starttls(self, context: Any) -> None:
        assert context.check_hostname
        self.deeds.append("tls")

    def login(self, user: str, password: str) -> None:
        if self.refuses:
            raise smtplib.SMTPAuthenticationError(535, f"wrong: {password}".encode())
        self.deeds.append((user, password))

    def send_message(self, message: EmailMessage) -> None:
        self.deeds.append((message["From"], message["To"], message["Subject"], message.get_content()))


def test_a_mail_goes_by_a_secured_connection_and_its_password_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reshelf.console.notices.channels.smtplib.SMTP", Server)
    monkeypatch.setattr(Server, "deeds", [])
    settings = NoticeSettings(
        mail_to="a@shop.example, b@shop.example", mail_from="r@shop.example", smtp_host="mail.shop.example",
        smtp_user="r", smtp_password="very-secret", timeout_s=3,
    )  # fmt: skip
    assert asyncio.run(outcome(Mail(settings))) == ""
    first, tls, login, mail, _ = Server.deeds
    assert (first, tls, login) == (("mail.shop.example", 587, 3), "tls", ("r", "very-secret"))
    assert mail[:3] == ("r@shop.example", "a@shop.example, b@shop.example", "Reshelf: pin 0 is sold out")
    monkeypatch.setattr(Server, "refuses", True)
    assert asyncio.run(outcome(Mail(settings))) == "the mail server answered 535"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"webhook": "hooks.shop.example/very-secret"}, "notices.webhook: expected an address"),
        ({"console_url": "console"}, "notices.console_url"),
        ({"mail_to": "a@b"}, "notices.smtp_host"),
        ({"mail_to": "a@b", "smtp_host": "m"}, "notices.mail_from"),
        ({"mail_to": "a@b, c", "smtp_host": "m", "mail_from": "r@b"}, "got 'c'"),
        ({"mail_to": "a@b", "smtp_host": "m", "mail_from": "r\n@b"}, "expected addresses"),
        ({"smtp_user": "u", "smtp_security": "none"}, "smtp_security"),
    ],
)
def test_settings_that_reach_nobody_are_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(BadSettings, match=said) as refused:
        require_channels(NoticeSettings(**values))
    assert "very-secret" not in str(refused.value)


def test_without_an_address_there_is_no_channel() -> None:
    require_channels(NoticeSettings())
    assert list(channels(NoticeSettings())) == []
    both = NoticeSettings(webhook=SECRET, mail_to="a@b", mail_from="r@b", smtp_host="m")
    require_channels(both)
    assert [channel.name for channel in channels(both)] == ["webhook", "mail"]
    assert "very-secret" not in repr(both)
