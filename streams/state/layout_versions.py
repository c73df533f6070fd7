"""Version numbers of layouts: they grow with every publication, whoever publishes.

The counter is in the state group of its key.  It may fall back when Redis
loses writes or is emptied; so each call also names the highest version known
from the topic, and the answer is above that too.

A counter goes when nothing was published for LIVES times the time that a layout is good: the page or segment is
arranged no more, or its layout does not change.  By then Redis's time is above it.
"""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import quote

from streams.state.connection.pipelined import PipelinedClient
from streams.state.keys import GroupKeys, group_of

LIVES = 50
_SCRIPT = files("streams.state").joinpath("layout_version.lua").read_text()


def version_key(namespace: str, groups: int, page: str, segment: str) -> str:
    """Where the version of a page and segment is kept."""
    base = GroupKeys(namespace, group_of(page, segment, groups)).base
    return f"{base}version:{quote(page, safe='')}:{quote(segment, safe='')}"


class Versions:
    """The versions of a namespace whose layouts live for `ttl_ms`."""

    def __init__(self, pipelined: PipelinedClient, namespace: str, groups: int, ttl_ms: int) -> None:
        self._keep_ms = LIVES * ttl_ms
        self._namespace = namespace
        self._groups = groups
        self._pipelined = pipelined

    async def next(self, page: str, segment: str, newest: int) -> int:
        """max(stored + 1, `newest` + 1, Redis's time in ms), and store it.

        Raises `Transient` when Redis does not answer; a number may then be lost,
        which does no harm.
        """
        key = version_key(self._namespace, self._groups, page, segment)
        (version,) = await self._pipelined.ask(("EVAL", _SCRIPT, 1, key, newest, self._keep_ms))
        return int(version)
