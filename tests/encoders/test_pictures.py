"""Pictures: where they may come from, what is kept of them, when they are asked for again.  Nothing needs torch."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders.pictures.address import addresses, is_public, target
from encoders.pictures.cache import Cached, PictureCache, content_hash
from encoders.pictures.fetch import Limits, fetch
from encoders.pictures.lane import RETRY_S, PictureLane, place_hash
from encoders.pictures.refusal import Refused
from encoders.pictures.source import FAILURES, REST_S, Picture, PictureSource
from reshelf.doctor.catalog.pictures import picture_findings
from reshelf.service_settings import PicturesSettings
from schemas.messages.catalog import CatalogItem


class Server(ThreadingHTTPServer):
    """Answers with `content` under its tag; `asked` are the paths and tags that came."""

    content, etag = b"picture", '"1"'

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.may_end = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        tag = self.headers.get("If-None-Match", "")
        self.server.asked.append((self.path, tag))
        kind, length = "image/png", len(self.server.content)
        match self.path:
            case "/away":
                return self._head(302, Location="http://elsewhere.example/x")
            case "/inside":
                return self._head(302, Location="http://inside.example/x")
            case "/round":
                return self._head(302, Location="/round")
            case "/gone":
                return self._head(404)
            case "/drawing":
                kind = "image/svg+xml"
            case "/large":
                length = 10**9
            case "/slow":
                self._head(200, **{"Content-Type": kind})
                with contextlib.suppress(OSError):
                    while not self.server.may_end.wait(0.01):
                        self.wfile.write(b"x")
                return None
        if tag == self.server.etag:
            return self._head(304)
        self._head(200, **{"Content-Type": kind, "Content-Length": str(length), "ETag": self.server.etag})
        self.wfile.write(self.server.content)
        return None

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as one:
        thread = threading.Thread(target=one.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield one
        one.may_end.set()
        one.shutdown()
        thread.join()


def names(server: Server) -> Limits:
    port = server.server_address[1]
    return Limits([f"shop.example:{port}"], private=True, most_bytes=100)


def at_home(host: str, port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def refusal(url: str, limits: Limits, resolve: Any = at_home) -> str:
    with pytest.raises(Refused) as told:
        fetch(url, limits, resolve=resolve)
    return told.value.reason


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/gone", "status"), ("/round", "redirects"), ("/drawing", "type"), ("/large", "size")],
)
def test_what_is_no_picture_is_refused(server: Server, path: str, reason: str) -> None:
    assert refusal(f"http://shop.example:{server.server_address[1]}{path}", names(server)) == reason


def test_a_server_that_never_ends_is_cut_off(server: Server) -> None:
    limits = Limits(names(server).hosts, private=True, timeout_s=0.1, most_bytes=10**9)
    assert refusal(f"http://shop.example:{server.server_address[1]}/slow", limits) == "timeout"


def test_a_redirect_is_held_to_the_same_limits(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection is made to what is inside: the server's own address counts as public here."""
    monkeypatch.setattr("encoders.pictures.address.is_public", lambda address: address == "127.0.0.1")
    port = server.server_address[1]

    def resolve(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.7"] if host == "inside.example" else ["127.0.0.1"]

    own = f"shop.example:{port}"
    assert refusal(f"http://{own}/away", Limits([own]), resolve) == "host"
    assert refusal(f"http://{own}/inside", Limits([own, "inside.example"]), resolve) == "address"
    assert [path for path, _ in server.asked] == ["/away", "/inside"]


def test_the_connection_goes_to_the_address_that_was_checked(server: Server) -> None:
    looked = []

    def resolve(host: str, port: int) -> Sequence[str]:
        looked.append(host)
        return ["127.0.0.1"]

    came = fetch(f"http://shop.example:{server.server_address[1]}/a?b=c", names(server), resolve=resolve)
    assert (came.content, came.etag, looked) == (b"picture", '"1"', ["shop.example"])
    assert server.asked == [("/a?b=c", "")]


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        ("https://shop.example/a", ["shop.example"], True),
        ("https://SHOP.example:443/a", ["shop.example"], True),
        ("https://cdn.shop.example/a", ["*.shop.example"], True),
        ("https://shop.example/a", ["*.shop.example"], False),
        ("https://evilshop.example/a", ["*.shop.example", "shop.example"], False),
        ("https://shop.example.evil.example/a", ["shop.example"], False),
        ("https://any.example/a", ["*"], True),
        ("https://any.example:6379/a", ["*"], False),
        ("https://shop.example:8443/a", ["shop.example:8443"], True),
        ("ftp://shop.example/a", ["*"], False),
        ("file:///etc/passwd", ["*"], False),
        ("https://user@shop.example/a", ["shop.example"], False),
        ("https://[::1", ["*"], False),
        ("https://shop.example:99999/a", ["*"], False),
    ],
)
def test_only_hosts_that_are_named(url: str, hosts: list[str], allowed: bool) -> None:
    if allowed:
        assert target(url, hosts).host.endswith("example")
    else:
        with pytest.raises(Refused):
            target(url, hosts)


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="169.254.0.0/16"))
def test_what_is_private_is_private_however_it_is_written(address: Any) -> None:
    number = int(address)
    wrapped = [f"::ffff:{address}", f"64:ff9b::{address}", f"2002:{number >> 16:x}:{number & 0xFFFF:x}::1"]
    assert not any(map(is_public, [str(address), *wrapped]))


def test_one_private_address_among_public_ones_is_enough() -> None:
    where = target("https://shop.example/a", ["*"])
    assert all(map(is_public, ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"]))
    assert not any(map(is_public, ["127.0.0.1", "::1", "fe80::1%eth0", "0.0.0.0", "224.0.0.1", "100.64.0.1"]))
    with pytest.raises(Refused, match="address"):
        addresses(where, False, lambda host, port: ["8.8.8.8", "127.0.0.1"])
    with pytest.raises(Refused, match="unreachable"):
        addresses(where, False, lambda host, port: [])


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.binary(min_size=1, max_size=6)), max_size=30))
def test_the_cache_is_bounded_and_has_what_was_put_last(puts: list[tuple[str, bytes]]) -> None:
    cache = PictureCache(None, 10)
    for number, (url, content) in enumerate(puts):
        cache.put(url, Cached(content, f"e{number}", float(number)))
        assert cache.get(url) == (content, f"e{number}", float(number))
        assert cache.bytes <= 10
    cache.close()


def test_the_cache_outlives_its_process_and_forgets_what_was_not_used(tmp_path: Path) -> None:
    first = PictureCache(tmp_path, 4)
    for url in ("a", "b"):
        first.put(url, Cached(url.encode() * 2, "", 1.0))
    first.get("a")
    first.close()
    again = PictureCache(tmp_path, 4)
    again.put("c", Cached(b"cc", "", 2.0))
    assert (again.get("a") is not None, again.get("b"), again.bytes) == (True, None, 4)
    again.close()


def test_a_picture_that_changed_under_its_url_is_noticed_when_it_has_aged(server: Server) -> None:
    now = [0.0]
    cache = PictureCache(None, 1_000)
    source = PictureSource(names(server), None, cache, 60.0, lambda: now[0], at_home)
    url = f"http://shop.example:{server.server_address[1]}/a"
    first = source.get(url)
    server.content, server.etag = b"another", '"2"'
    assert source.get(url) == first
    now[0] = 61.0
    assert source.get(url) == Picture(b"another", content_hash(b"another"))
    now[0] = 122.0
    assert source.get(url).content == b"another"
    assert [tag for _, tag in server.asked] == ["", '"1"', '"2"'], "the last was answered by 304"
    cache.close()


def test_a_host_that_does_not_answer_is_left_alone_for_a_while() -> None:
    now, asked = [0.0], []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        raise OSError("no such host")

    cache = PictureCache(None, 1_000)
    source = PictureSource(Limits(["*"]), None, cache, 60.0, lambda: now[0], resolve)
    for _ in range(2 * FAILURES):
        with pytest.raises(Refused, match="unreachable"):
            source.get("https://shop.example/a")
    assert len(asked) == FAILURES
    now[0] = REST_S + 1.0
    with pytest.raises(Refused):
        source.get("https://shop.example/a")
    assert len(asked) == FAILURES + 1
    cache.close()


def test_paths_stay_below_their_folder(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "a.png").write_bytes(b"a")
    (tmp_path / "secret").write_bytes(b"s")
    (inside / "link").symlink_to(tmp_path / "secret")
    cache = PictureCache(None, 1_000)
    source = PictureSource(Limits(most_bytes=1), inside, cache, 60.0)
    assert source.get("a.png").content == b"a"
    for image in ("../secret", "link", str(tmp_path / "secret"), "none", "a.png\0", "."):
        with pytest.raises(Refused, match="path"):
            source.get(image)
    with pytest.raises(Refused, match="path"):
        PictureSource(Limits(), None, cache, 60.0).get("a.png")
    cache.close()


def test_the_doctor_says_which_pictures_are_not_looked_at() -> None:
    images = {"a": "https://shop.example/a.png", "b": "https://other.example/b.png", "c": "c.png", "d": ""}
    items = {name: CatalogItem(name, name, image=image) for name, image in images.items()}

    def details(**settings: Any) -> list[str]:
        return [finding.detail for finding in picture_findings(items, PicturesSettings(**settings))]

    assert details() == ["3 items name a picture, and none is looked at"]
    of_host, of_folder = details(hosts="shop.example")
    assert of_host.endswith("expected one of pictures.hosts, got other.example")
    assert of_folder.endswith("their picture is a path, and pictures.folder is empty")
    assert details(hosts="shop.example, *.example", folder="pictures") == []


class Now(ThreadPoolExecutor):
    """Runs what it is given at once."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Refused as error:
            future.set_exception(error)
        return future


class Shelf(PictureSource):
    """Pictures by name; those that begin with `no` cannot be had."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, image: str) -> Picture:
        self.asked.append(image)
        if image.startswith("no"):
            raise Refused("status", "404")
        return Picture(image.encode(), content_hash(image.encode()))


def test_a_picture_is_asked_for_when_it_is_new_and_when_it_has_aged() -> None:
    now, shelf = [0.0], Shelf()
    lane = PictureLane(shelf, 10.0, 100.0, lambda: now[0], Now())

    def step(at: float) -> list[str]:
        now[0] = at
        came = [one.item for one in lane.fetched(10) or lane.fetched(10)]
        for item in came:
            lane.done(item, encoded=True)
        return came

    assert lane.name("a", "x", "")
    assert not lane.name("a", "x", ""), "it is the same"
    lane.name("b", "y", place_hash("y"))
    lane.name("c", "none", "")
    assert step(1.0) == ["a"], "that of b is published"
    assert (lane.waiting, lane.counts.refused["status"], lane.counts.lacking) == (0, 1, 1)
    assert step(50.0) == []
    assert sorted(step(102.0)) == ["a", "b"]
    lane.name("a", "", "")
    assert step(300.0) == ["b"], "a has none any more"
    lane.name("c", "z", "")
    assert step(301.0) == ["c"]
    assert lane.counts.lacking == 0
    assert step(RETRY_S + 2.0) == ["b", "c"]


def test_no_more_pictures_are_fetched_in_a_second_than_allowed() -> None:
    now, shelf = [0.0], Shelf()
    lane = PictureLane(shelf, 2.0, 1e6, lambda: now[0], Now())
    for number in range(10):
        lane.name(f"i{number}", f"p{number}", "")
    for second in range(1, 4):
        now[0] = float(second)
        lane.fetched(10)
        assert len(shelf.asked) == 2 * second
