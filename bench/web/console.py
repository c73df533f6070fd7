"""What the console's page Items takes of a processor while events flow: in the browser, and in the console.

A learner takes a steady stream in, so that counts change all the time, and a real browser
shows the page.  Chromium says itself how long its processes and its main thread ran.
"""

from __future__ import annotations

import contextlib
import secrets
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bench.latency.run import Worker, clear, own_settings
from bench.latency.traffic import Shop, Traffic
from bench.web.browser import browser
from reshelf.processes.children import free_port, process, tail
from reshelf.settings import Settings, as_environment
from reshelf.topics.admin import apply
from schemas.errors import ReshelfError

START_S = 60.0
WARM_UP_S = 3.0
SIZE = {"width": 1360, "height": 900}


@dataclass(frozen=True, slots=True)
class Options:
    """Arms of the page, events a second, seconds of a round and how many rounds."""

    arms: int
    rate: int
    seconds: float
    rounds: int


@dataclass(frozen=True, slots=True)
class Found:
    """Medians over the rounds; percentages are of one core.

    `browser` is all that Chromium runs, `page` the main thread of the tab alone.
    """

    arms: int
    updates_per_s: float
    browser_percent: float
    page_percent: float
    console_percent: float
    answer_kb: float
    rounds: int


class _Mark(NamedTuple):
    """Seconds at a moment: of the clock, and of processor time used."""

    at: float
    browser: float
    page: float
    console: float


def measure(settings: Settings, options: Options, *, leave_clean: bool = True) -> Found:
    """Look at the page for some rounds.

    Raises BadSettings where there is no browser, ReshelfError when a process ends or does not begin.
    """
    run = secrets.token_hex(3)
    own = own_settings(settings, run)
    shop = Shop(pages=1, segments=1, items=options.arms)
    with contextlib.ExitStack() as stack:
        chromium = stack.enter_context(browser())
        if leave_clean:
            stack.callback(clear, own)
        apply(own.kafka)
        traffic = Traffic(own.kafka, shop, run)
        traffic.open()
        port = free_port()
        _started(stack, own, "worker", "learner")
        console = _started(stack, own, "console", "--port", str(port))
        key = shop.keys()[0]
        query = f"page={key.page}&segment={key.segment}"
        _until_served(f"http://127.0.0.1:{port}/api/arms?{query}", console)
        stack.enter_context(_flowing(traffic, options.rate))
        return _Tab(chromium, f"http://127.0.0.1:{port}/#items?{query}", console).rounds(options)


def _started(stack: contextlib.ExitStack, own: Settings, *arguments: str) -> Worker:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reshelf-bench-")))
    command = [sys.executable, "-m", "reshelf", *arguments]
    log = folder / "log.txt"
    return Worker(stack.enter_context(process(command, log, as_environment(own))), log)


def _until_served(address: str, console: Worker) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and console.child.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise ReshelfError(
        f"the console did not show the arms within {START_S:.0f} s; its last words:\n{tail(console.log)}"
    )


@contextlib.contextmanager
def _flowing(traffic: Traffic, rate: int) -> Iterator[None]:
    """Events come while the block runs."""
    done = threading.Event()

    def flow() -> None:
        traffic.start(rate)
        while not done.is_set():
            traffic.publish_until(time.perf_counter() + 0.1)

    thread = threading.Thread(target=flow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        traffic.settle()


class _Tab:
    """The page in the browser, and what its answers weigh."""

    def __init__(self, chromium: Any, address: str, console: Worker) -> None:
        self._console = console
        self._page = chromium.new_page(viewport=SIZE)
        self._whole = chromium.new_browser_cdp_session()
        self._own = self._page.context.new_cdp_session(self._page)
        self._own.send("Performance.enable", {"timeDomain": "threadTicks"})
        self._sizes: list[int] = []
        self._page.on("response", self._answered)
        self._page.goto(address)
        self._page.locator(".pool .row").first.wait_for(timeout=1_000 * START_S)

    def rounds(self, options: Options) -> Found:
        """Look for each round; updates are answers that brought something new."""
        self._page.wait_for_timeout(1_000 * WARM_UP_S)
        rounds = [self._round(options.seconds) for _ in range(options.rounds)]
        updates, whole, page, console, kb = (round(statistics.median(some), 1) for some in zip(*rounds, strict=True))
        return Found(options.arms, updates, whole, page, console, kb, options.rounds)

    def _round(self, seconds: float) -> tuple[float, float, float, float, float]:
        self._sizes.clear()
        before = self._mark()
        self._page.wait_for_timeout(1_000 * seconds)
        after = self._mark()
        took = after.at - before.at
        browser, page, console = (100 * (b - a) / took for a, b in zip(before[1:], after[1:], strict=True))
        kb = statistics.mean(self._sizes or [0]) / 1_000
        return len(self._sizes) / took, browser, page, console, kb

    def _mark(self) -> _Mark:
        processes = self._whole.send("SystemInfo.getProcessInfo")["processInfo"]
        metrics = {entry["name"]: entry["value"] for entry in self._own.send("Performance.getMetrics")["metrics"]}
        return _Mark(
            time.perf_counter(),
            sum(entry["cpuTime"] for entry in processes),
            metrics["TaskDuration"],
            self._console.cpu_s(),
        )

    def _answered(self, response: Any) -> None:
        if "/api/arms" in response.url and response.status == 200:
            self._sizes.append(int(response.headers.get("content-length", 0)))
