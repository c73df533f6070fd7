"""Which pages and segments have counts, by what was written since the last look.

A group has a sorted set of them in Redis with the revision of their last write, a number that grows
with every write of the group.  Scripts that write tables keep it in the same step, and one
leaves it when its last table expires.  So a look costs what was written since, not what there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from streams.state.connection.pipelined import PipelinedClient
from streams.state.keys import GroupKeys

Name = tuple[str, str]


class KeyRevisions:
    """The pages and segments of a namespace as of the last `refresh`."""

    def __init__(self, pipelined: PipelinedClient, groups: Sequence[GroupKeys]) -> None:
        self._pipelined = pipelined
        self._groups = groups
        self._members: list[dict[bytes, Name]] = [{} for _ in groups]
        self._last = [0] * len(groups)
        self.listed = 0

    def __iter__(self) -> Iterator[Name]:
        return (name for members in self._members for name in members.values())

    async def refresh(self) -> list[Name]:
        """Ask each group for what was written since the last time; the pages and segments that are new."""
        commands = [
            command
            for keys, last in zip(self._groups, self._last, strict=True)
            for command in (
                ("ZREVRANGE", keys.revisions, 0, 0, "WITHSCORES"),
                ("ZRANGEBYSCORE", keys.revisions, f"({last}", "+inf", "WITHSCORES"),
                ("ZCARD", keys.revisions),
            )
        ]
        replies = await self._pipelined.ask(*commands)
        new: list[Name] = []
        for group, (newest, written, count) in enumerate(zip(*[iter(replies)] * 3, strict=True)):
            went_back = _last(_pairs(newest)) < self._last[group]
            new += self._take(group, _pairs(written))
            # Where one left, and where Redis lost writes, what is here is more than there is.
            if went_back or len(self._members[group]) != count:
                new += await self._list(group)
        return new

    async def _list(self, group: int) -> list[Name]:
        """All of a group."""
        (listed,) = await self._pipelined.ask(("ZRANGE", self._groups[group].revisions, 0, -1, "WITHSCORES"))
        before, self._members[group], self._last[group] = self._members[group], {}, 0
        self._take(group, _pairs(listed))
        return [name for member, name in self._members[group].items() if member not in before]

    def _take(self, group: int, written: Sequence[tuple[bytes, float]]) -> list[Name]:
        """Members with their revisions, by rising revision."""
        members, new = self._members[group], []
        self.listed += len(written)
        for member, _ in written:
            if member not in members:
                page, segment = orjson.loads(member)
                members[member] = page, segment
                new.append((page, segment))
        self._last[group] = max(self._last[group], _last(written))
        return new


def _pairs(reply: Sequence[Any]) -> list[tuple[bytes, float]]:
    """Members and scores: side by side in the third version of Redis's protocol, one after the other in the second."""
    if reply and not isinstance(reply[0], bytes):
        return [(member, float(score)) for member, score in reply]
    return [(member, float(score)) for member, score in zip(reply[::2], reply[1::2], strict=True)]


def _last(written: Sequence[tuple[bytes, float]]) -> int:
    return int(written[-1][1]) if written else 0
