"""The console: what it remembers and whom it answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from policy.assignment import choose
from policy.experiments.health import Health
from policy.experiments.sample_ratio import SampleRatio
from reshelf.console.access_control import OURS, AccessControl
from reshelf.console.followed.dead_letters import RecentDeadLetters
from reshelf.console.layout_history import LayoutHistory
from reshelf.console.live_view import LiveView, State
from reshelf.console.monitor import Beat
from reshelf.console.views.pipeline import pipeline, warnings
from reshelf.people.file import pass_of
from reshelf.processes.children import free_port, process
from reshelf.service_settings import ConsoleSettings
from reshelf.settings import Settings, as_environment
from schemas.codec import encode
from schemas.dead_letters import DeadLetter
from schemas.errors import BadSettings
from schemas.messages.layouts import Layout
from schemas.messages.pages import PageRules
from schemas.topics import DAY_MS, DEAD_LETTERS, EVENT_TOPICS
from streams.catalog.page import Key
from streams.fold.window import RecentWindow
from streams.kafka.records import TopicPartition
from streams.settings import FoldSettings, KafkaSettings, RedisSettings
from streams.state.alias import switch
from streams.state.clicks.progress import Window
from streams.state.connection.client import redis_client
from streams.state.manifest import agree, manifest_of
from streams.state.reader import StateReader
from tests.deadline import Deadline
from tests.delivery import flush

TOKEN = "a-token-of-some-length"
ITEMS = st.dictionaries(st.sampled_from(["s1", "s2", "s3"]), st.sampled_from("abcde"))


def layout_of(version: int, slates: list[dict[str, str]]) -> Layout:
    fields: dict[str, Any] = {
        "page": "home", "segment": "cooks", "version": version, "produced_at": 1_000 * version, "expires_at": 2**40,
        "epoch": 0, "template": "default", "policy": "thompson", "settings_digest": "", "rules_version": 1,
        "parameters_version": 0, "catalog_position": [], "watermarks": {}, "holdout_share": 0.2, "holdout_salt": "h",
        "baseline": slates[0], "slates": slates, "propensities": {},
    }  # fmt: skip
    return Layout(**fields)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.lists(ITEMS, min_size=1, max_size=3)), min_size=1), st.text(max_size=5)
)
def test_changes_lead_from_the_first_slate_to_the_newest(
    made: list[tuple[int, list[dict[str, str]]]], unit: str
) -> None:
    layout_history, key, newest, first = LayoutHistory(depth=100), Key("home", "cooks"), -1, {}
    for version, slates in made:
        layout = layout_of(version, slates)
        layout_history.take(key, encode(layout))
        if newest < 0:
            first = dict(choose(layout, unit).slate)
        newest = max(newest, version)
    seen = dict(first)
    for change in reversed(list(layout_history.changes(key, unit))):
        assert seen.get(change.slot, "") == change.before != change.after
        seen[change.slot] = change.after
    stored = layout_history.newest.get(*key)
    assert stored is not None
    assert stored.version == newest
    assert {slot: item for slot, item in seen.items() if item} == dict(choose(stored.layout(), unit).slate)


def test_only_so_much_of_the_past_is_kept() -> None:
    layout_history, key = LayoutHistory(depth=3, keys=1), Key("home", "cooks")
    for version in range(10):
        layout_history.take(key, encode(layout_of(version, [{"s1": f"i{version}"}])))
    assert [change.version for change in layout_history.changes(key, "u")] == [9, 8]
    layout_history.take(key, None)
    assert list(layout_history.changes(key, "u")) == []
    assert not len(layout_history.newest)


def test_letters_are_told_whole(broker: str, prefix: str, make_topics: Callable[..., None]) -> None:
    make_topics(broker)
    letter = DeadLetter("events-clicks", 2, 41, "late", "two days", b"u1", b"\xff{", (("trace", b"7"),))
    producer = Producer({"bootstrap.servers": broker})
    producer.produce(prefix + DEAD_LETTERS.name, letter.value, letter.key, headers=dict(letter.to_headers()))
    producer.produce(prefix + DEAD_LETTERS.name, b"no letter at all")
    flush(producer)
    dead_letters = RecentDeadLetters(KafkaSettings(bootstrap=broker, prefix=prefix))
    end = Deadline(20)
    while dead_letters.total < 2 and end.ahead:
        dead_letters.read()
    told = dead_letters.as_json()
    dead_letters.close()
    assert {(one["topic"], one["reason"], one["letters"]) for one in told["reasons"]} == {
        ("events-clicks", "late", 1), ("", "unknown", 1),
    }  # fmt: skip
    (late,) = [one for one in told["last"] if one["reason"] == "late"]
    assert (late["place"], late["key"], late["value"], late["headers"]) == ("2:41", "u1", "\\xff{", [["trace", "7"]])


def test_the_console_looks_where_the_name_leads(
    broker: str, prefix: str, make_topics: Callable[..., None], redis: Redis, redis_url: str
) -> None:
    make_topics(broker)
    settings = Settings(kafka=KafkaSettings(bootstrap=broker, prefix=prefix), redis=RedisSettings(url=redis_url))

    async def looked() -> list[dict[str, Any]]:
        async with redis_client(settings.redis) as client:
            for name in ("live", "again"):
                starts = {topic.name: [0] * 4 for topic in EVENT_TOPICS}
                await agree(client, manifest_of(name, prefix, starts, 16, FoldSettings()))
            seen, found = LiveView(settings, client), []
            for namespace in ("live", "again", "not-there"):
                await switch(client, "live", namespace)
                for _ in range(2):
                    await seen.look()
                found.append(pipeline(seen, 0))
            seen.dead_letters.close()
            return found

    before, after, nowhere = asyncio.run(looked())
    assert (before["name"], before["namespace"]) == ("live", "live")
    assert (after["name"], after["namespace"]) == ("live", "again")
    assert [len(one["beats"]) for one in (before, after, nowhere)] == [1, 1, 0]
    assert not nowhere["state"]


def test_the_page_that_most_units_have_seen_is_shown_first() -> None:
    seen = LiveView(Settings(), redis_client(RedisSettings()))
    seen.catalog.rules |= {page: PageRules(page, 1, ["s1"]) for page in ("cart", "home", "sale")}
    assert seen.most_seen == ""
    counted = {"home": (900, 90), "cart": (200, 20), "gone": (9_000, 900)}
    seen.monitor.health |= {page: Health({}, SampleRatio(*units, 0.1, 1.0), {}) for page, units in counted.items()}
    assert seen.most_seen == "home"


def test_a_warning_tells_of_no_worker_old_layouts_and_waiting_events() -> None:
    seen, now = LiveView(Settings(), redis_client(RedisSettings())), 2**40 + 1
    assert [one.split(":")[0] for one in warnings(seen, now)] == ["no state yet"]
    manifest = manifest_of("live", "", {}, 16, FoldSettings())
    seen.state = State(StateReader(seen.redis, manifest), seen.settings)
    seen.catalog.rules["home"] = PageRules("home", 1, ["s1"])
    seen.layout_history.take(Key("home", "cooks"), encode(layout_of(1, [{"s1": "a"}])))
    seen.monitor.workers = [{"role": "learner", "state": "empty"}, {"role": "layouts", "state": "stable"}]
    seen.monitor.beats.extend(Beat(at, 9, 1, 8, 40_000, 0) for at in range(9))
    cut = RecentWindow(960_000, 7_200_000, 750, 100, 960_000)
    seen.monitor.duplicates = TopicPartition("events-clicks", 0), cut
    seen.monitor.windows = {0: Window(7 * DAY_MS, 7 * DAY_MS), 1: Window(16 * 60_000, 7 * DAY_MS)}
    assert [one.split(":")[0] for one in warnings(seen, now)] == [
        "no learner runs",
        "1 of 1 layouts expired",
        "8 events wait",
        "attribution window is 16 minutes of 7 days",
        "duplicate window is 16 minutes of 2 hours (750% of fold.duplicate_mb in events-clicks/0)",
    ]
    del seen.monitor.windows[1]
    seen.monitor.duplicates = None
    seen.monitor.workers[1]["state"] = "empty"
    assert warnings(seen, now)[0].startswith("no worker runs:")
    seen.monitor.workers.clear()
    seen.monitor.beats.append(Beat(9, 9, 9, 0, 0, 0))
    assert warnings(seen, now - 2) == []


def statuses(settings: ConsoleSettings, *asked: tuple[str, str, dict[str, str]]) -> list[int]:
    """What a guarded application answers to requests of (method, path, headers)."""

    async def ask() -> list[int]:
        async def fine(request: web.Request) -> web.Response:
            return web.Response(text="fine")

        app = web.Application(middlewares=[AccessControl(settings).check])
        for method, address in (("GET", "/login"), ("*", "/{any:.*}")):
            app.router.add_route(method, address, fine)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address, found = f"http://127.0.0.1:{runner.addresses[0][1]}", []
        async with ClientSession() as session:
            for method, path, headers in asked:
                async with session.request(method, address + path, headers=headers, allow_redirects=False) as response:
                    policy = response.headers["Content-Security-Policy"]
                    assert policy.startswith("default-src 'none'")
                    assert policy.endswith(" ".join(["img-src 'self' data:", *settings.images]))
                    found.append(response.status)
        await runner.cleanup()
        return found

    return asyncio.run(ask())


def test_without_a_token_only_this_machine_is_answered() -> None:
    assert statuses(
        ConsoleSettings(),
        ("GET", "/", {}),
        ("GET", "/", {"Host": "localhost:1"}),
        ("GET", "/", {"Host": "shop.example"}),
    ) == [200, 200, 403]


def test_pictures_come_from_hosts_that_are_named() -> None:
    assert statuses(ConsoleSettings(image_hosts="cdn.shop.example, Images.example:8443"), ("GET", "/", {})) == [200]
    assert ConsoleSettings(image_hosts="cdn.shop.example, Images.example:8443").images[1] == "images.example:8443"
    for wrong in ("https://cdn.example", "a b", "x; script-src *"):
        with pytest.raises(ValueError, match="names of hosts"):
            ConsoleSettings(image_hosts=wrong)


def test_what_writes_comes_from_our_own_pages() -> None:
    own, foreign = {"Origin": "http://localhost:1"}, {"Origin": "http://shop.example"}
    host = {"Host": "localhost:1"}
    assert statuses(
        ConsoleSettings(),
        ("POST", "/api/rules", host),
        ("POST", "/api/rules", host | own),
        ("POST", "/api/rules", host | foreign | {OURS: "1"}),
        ("POST", "/api/rules", host | own | {OURS: "1"}),
    ) == [403, 403, 403, 200]


def test_with_a_token_everything_asks_for_it() -> None:
    settings = ConsoleSettings(token=TOKEN)
    cookie = f"reshelf-console={pass_of(TOKEN)}"
    assert statuses(
        settings,
        ("GET", "/", {}),
        ("GET", "/login", {}),
        ("GET", "/api/pages", {}),
        ("GET", "/metrics", {}),
        ("GET", "/api/pages", {"Authorization": "Bearer wrong"}),
        ("GET", "/api/pages", {"Authorization": f"Bearer {TOKEN}"}),
        ("GET", "/api/pages", {"Cookie": cookie}),
        ("GET", "/api/pages", {"Cookie": "reshelf-console=" + TOKEN}),
        ("GET", "/", {"Host": "shop.example", "Cookie": cookie}),
    ) == [303, 200, 401, 401, 401, 200, 200, 401, 200]


def test_beyond_this_machine_a_token_is_needed() -> None:
    with pytest.raises(BadSettings, match=r"console\.token"):
        AccessControl(ConsoleSettings(host="0.0.0.0", token="short"))
    AccessControl(ConsoleSettings(host="0.0.0.0", token=TOKEN))


def forward(port: int, broker: str) -> None:
    """Pass on what comes to a port to the broker, for ever."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while some := source.recv(65_536):
                target.sendall(some)
            target.shutdown(socket.SHUT_WR)

    def serve(ours: socket.socket) -> None:
        host, _, number = broker.rpartition(":")
        with ours, socket.create_connection((host, int(number))) as theirs:
            back = threading.Thread(target=pump, args=(theirs, ours), daemon=True)
            back.start()
            pump(ours, theirs)
            back.join()

    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def test_it_waits_for_a_broker_that_is_away_at_its_start(
    broker: str, redis_url: str, prefix: str, make_topics: Callable[..., None], tmp_path: Path
) -> None:
    make_topics(broker)
    port, away = free_port(), free_port()
    kafka = KafkaSettings(bootstrap=f"127.0.0.1:{away}", prefix=prefix)
    settings = Settings(kafka=kafka, redis=RedisSettings(url=redis_url))
    command = [sys.executable, "-m", "reshelf", "console", "--port", str(port)]
    with process(command, log := tmp_path / "log", as_environment(settings)) as child:
        until(lambda: "Waiting" in log.read_text(), child)
        assert f"127.0.0.1:{away}" in log.read_text()
        threading.Thread(target=forward, args=(away, broker), daemon=True).start()
        until(lambda: "The console is at" in log.read_text(), child)
        child.terminate()
        assert child.wait(120) == 0
    nowhere = as_environment(settings.changed(kafka={"bootstrap": f"127.0.0.1:{free_port()}"}))
    with process(command, log := tmp_path / "log-2", nowhere) as child:
        until(lambda: "Waiting" in log.read_text(), child)
        child.terminate()
        assert child.wait(120) == 0


def until(condition: Callable[[], bool], child: Any, wait_s: float = 60.0) -> None:
    end = time.monotonic() + wait_s
    while not condition():
        assert child.poll() is None and time.monotonic() < end
        time.sleep(0.05)
