"""Who asks edge and console meanwhile: renderers, web tiers and people who look at a browser."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import msgspec

from bench.shop.child import Part
from bench.soak.events import SEGMENTS, Visits
from schemas.codec import encode

ASK_S, LOOK_S = 0.2, 2.0
TIMEOUT_S = 10.0


class Clients:
    """Ask until they are stopped; `failures` counts requests that were not answered as they should be."""

    def __init__(self, edge: Part, console: Part, visits: Visits) -> None:
        self.failures = 0
        self.answers = 0
        self._edge, self._console, self._visits = edge, console, visits
        self._chance = random.Random(1)
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(every, ask), daemon=True)
            for every, ask in ((ASK_S, self._ask_edge), (LOOK_S, self._look))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, every_s: float, ask: Callable[[], None]) -> None:
        while not self._stopped.wait(every_s):
            ask()

    def _ask_edge(self) -> None:
        """A slate, an event, and now and then an address that there is not; each from a client of its own."""
        chance, base = self._chance, f"http://127.0.0.1:{self._edge.port}"
        page, segment = chance.choice(self._visits.shop.pages()), f"segment-{chance.randrange(SEGMENTS)}"
        unit = self._visits.unit()
        # A campaign that has just begun has no layout yet.
        self._count(_status(f"{base}/layouts/{page}/{segment}?unit={unit}"), 200, 404)
        view = msgspec.structs.replace(self._visits.impression(), event_id=f"edge-{time.time_ns()}")
        event = {"kind": "impression", **msgspec.json.decode(encode(view))}
        body = msgspec.json.encode({"events": [event]})
        self._count(_status(f"{base}/events", body, f"10.0.{chance.randrange(256)}.{chance.randrange(256)}"), 200)
        self._count(_status(f"{base}/layouts/none-{time.time_ns()}/x?unit={unit}"), 404)
        self._count(_status(f"{base}/{time.time_ns()}"), 404)

    def _look(self) -> None:
        """All pages of the console, one of a page that ended."""
        base, page = f"http://127.0.0.1:{self._console.port}/api", self._chance.choice(self._visits.shop.pages())
        where = urlencode({"page": page, "segment": f"segment-{self._chance.randrange(SEGMENTS)}"})
        item = self._chance.choice(self._visits.shop.items(page))
        cell = urlencode({"slot": self._visits.shop.slots[0], "item": item})
        names = ("pages", "pipeline", f"shop?{where}", f"arms?{where}", f"experiment?{where}", f"rules?{where}")
        for name in (*names, f"why?{where}&{cell}"):
            self._count(_status(f"{base}/{name}"), 200, 404)
        self._count(_status(f"{base}/shop?page=none-{time.time_ns()}"), 404)

    def _count(self, status: int, *expected: int) -> None:
        self.answers += 1
        self.failures += status not in expected


def _status(url: str, body: bytes | None = None, client: str = "") -> int:
    """The status of an answer; 0 where there is none."""
    headers = {"X-Forwarded-For": client} if client else {}
    try:
        with urlopen(Request(url, body, headers), timeout=TIMEOUT_S) as answer:
            answer.read()
            return int(answer.status)
    except OSError as error:
        return int(getattr(error, "code", 0))
