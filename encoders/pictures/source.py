"""The picture at a URL or path, from the cache where it is fresh enough."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from encoders.pictures.address import Resolve, look_up, target
from encoders.pictures.cache import Cached, PictureCache, content_hash
from encoders.pictures.fetch import Limits, fetch
from encoders.pictures.refusal import Refused

SCHEMES = ("http://", "https://")
FAILURES = 5
REST_S = 60.0
"""A host that could not be reached so often in a row is left alone for that long: it would hold up all others."""


class Picture(NamedTuple):
    """A picture's bytes, and the hash of them."""

    content: bytes
    content_hash: str


class PictureSource:
    """Pictures of URLs and, where there is a `folder`, of paths below it.

    One older than `max_age_s` is asked for again.
    """

    def __init__(
        self,
        limits: Limits,
        folder: Path | None,
        cache: PictureCache,
        max_age_s: float,
        clock: Callable[[], float] = time.time,
        resolve: Resolve = look_up,
    ) -> None:
        self._limits, self._cache, self._max_age_s = limits, cache, max_age_s
        self._folder = folder and folder.resolve()
        self._clock, self._resolve = clock, resolve
        self._failures: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def get(self, image: str) -> Picture:
        """The picture that an item names; raises `Refused`.  Threads may share it."""
        content = self._fetched(image) if image.startswith(SCHEMES) else self._read(image)
        return Picture(content, content_hash(content))

    def _read(self, image: str) -> bytes:
        if self._folder is None:
            raise Refused("path", f"expected a URL, or pictures.folder to be set, got {image[:80]!r}")
        try:
            path = (self._folder / image).resolve()
            if not path.is_relative_to(self._folder):
                raise Refused("path", f"expected a path below pictures.folder, got {image[:80]!r}")
            if not path.is_file():
                raise Refused("path", f"{image[:80]!r} is not there")
            if path.stat().st_size > self._limits.most_bytes:
                raise Refused("size", f"expected at most {self._limits.most_bytes:,} bytes in {image[:80]!r}")
            return path.read_bytes()
        except (OSError, ValueError) as error:
            raise Refused("path", f"{image[:80]!r}: {error}") from None

    def _fetched(self, url: str) -> bytes:
        cached, now = self._cache.get(url), self._clock()
        if cached is not None and now - cached.fetched_at < self._max_age_s:
            return cached.content
        host = target(url, self._limits.hosts).host
        self._require_rested(host, now)
        try:
            came = fetch(url, self._limits, "" if cached is None else cached.etag, self._resolve)
        except Refused as error:
            self._note(host, now if error.reason in ("unreachable", "timeout") else None)
            raise
        self._note(host, None)
        content = cached.content if came.content is None and cached is not None else came.content or b""
        self._cache.put(url, Cached(content, came.etag, now))
        return content

    def _require_rested(self, host: str, now: float) -> None:
        with self._lock:
            count, since = self._failures.get(host, (0, 0.0))
        if count >= FAILURES and now - since < REST_S:
            raise Refused("unreachable", f"{host} did not answer {count} times in a row and is left alone for a while")

    def _note(self, host: str, failed_at: float | None) -> None:
        with self._lock:
            if failed_at is None:
                self._failures.pop(host, None)
            else:
                self._failures[host] = self._failures.get(host, (0, 0.0))[0] + 1, failed_at
