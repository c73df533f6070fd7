"""A renderer: an edge that follows the layouts from the drill's beginning on, and is asked what it shows."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote
from urllib.request import urlopen

from reshelf.processes.children import free_port, process
from reshelf.settings import Settings, as_environment

ANSWER_S = 2.0


class Shown(NamedTuple):
    """Of which segment the layout is that is shown, and its version."""

    segment: str
    version: int


class Renderer:
    """An edge at a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port

    def show(self, page: str, segment: str) -> Shown | None:
        """The layout that is good now; None where there is none, or the edge does not answer."""
        path = "/".join(quote(name, safe="") for name in (page, segment))
        try:
            with urlopen(f"http://127.0.0.1:{self._port}/layouts/{path}", timeout=ANSWER_S) as answer:
                layout = json.load(answer)
        except (OSError, HTTPException):
            return None
        return Shown(layout["segment"], layout["version"])


@contextlib.contextmanager
def rendering(settings: Settings, folder: Path) -> Iterator[Renderer]:
    """A renderer that reads while the block runs."""
    port = free_port()
    own = settings.changed(edge={"host": "127.0.0.1", "port": port, "token": ""})
    with process([sys.executable, "-m", "reshelf", "edge"], folder / "edge.log", as_environment(own)):
        yield Renderer(port)
