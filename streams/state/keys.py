"""Names of everything in Redis, in one place.

Texts from outside are percent-encoded inside key names, so that no page or
segment can be mistaken for another's key.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote
from zlib import crc32

import orjson

from streams.fold.deltas import TableKey
from streams.kafka.records import TopicPartition

PREFIX = "reshelf:"


@lru_cache(maxsize=100_000)
def group_of(page: str, segment: str, groups: int) -> int:
    """The state group of a page and segment: CRC-32 of their JSON array, modulo the number of groups."""
    return crc32(orjson.dumps([page, segment])) % groups


def home_group(tp: TopicPartition, groups: int) -> int:
    """The group that keeps what belongs to a partition as a whole: its tally and its quota."""
    return crc32(str(tp).encode()) % groups


def place_of(key: TableKey) -> str:
    """What the names of a table's arrays end in."""
    return f":{key.bucket}:{_quoted(key.page, key.segment)}:{int(key.traffic)}"


@lru_cache(maxsize=100_000)
def _quoted(page: str, segment: str) -> str:
    return f"{quote(page, safe='')}:{quote(segment, safe='')}"


class GroupKeys:
    """The keys of one state group of a namespace."""

    def __init__(self, namespace: str, group: int) -> None:
        self.base = f"{PREFIX}{{{namespace}:{group}}}:"
        self.buckets = self.base + "buckets"
        self.bin_buckets = self.base + "bin-buckets"
        self.merges = self.base + "merges"
        self.revisions = self.base + "revisions"

    def watermark(self, tp: TopicPartition) -> str:
        return f"{self.base}wm:{tp.topic}:{tp.partition}"

    def tally(self, tp: TopicPartition) -> str:
        return f"{self.base}tally:{tp.topic}:{tp.partition}"

    def quota(self, tp: TopicPartition, bucket: int) -> str:
        return f"{self.base}quota:{bucket}:{tp.topic}:{tp.partition}"

    def quotas(self, tp: TopicPartition) -> str:
        """A set of the buckets for which a partition has a quota."""
        return f"{self.base}quotas:{tp.topic}:{tp.partition}"

    def limits(self, tp: TopicPartition) -> str:
        """The limits on names that this group was folded by, see `streams.fold.limits`."""
        return f"{self.base}limits:{tp.topic}:{tp.partition}"

    def recent_window(self, tp: TopicPartition) -> str:
        """How much of its time the window of duplicates covers, see `streams.state.recent.use`."""
        return f"{self.base}recent-window:{tp.topic}:{tp.partition}"

    def index(self, bucket: int) -> str:
        """A set of the tables of a bucket in this group."""
        return f"{self.base}index:{bucket}"

    def bin_index(self, bucket: int) -> str:
        """A set of the experiment bins of a bucket in this group."""
        return f"{self.base}bin-index:{bucket}"

    def listing(self, kind: str, bucket: int) -> tuple[str, str]:
        """The set of buckets, and the index of one of them, that list tables or experiment bins."""
        if kind == "table":
            return self.buckets, self.index(bucket)
        return self.bin_buckets, self.bin_index(bucket)

    def table(self, kind: str, key: TableKey) -> str:
        """One array of a table; `kind` is revision, or the name of a part or block in `streams.fold.measures`."""
        return self.placed(kind, place_of(key))

    def placed(self, kind: str, place: str) -> str:
        """The same where the place of the table is at hand."""
        return f"{self.base}{kind}{place}"


def table_member(kind: str, page: str, segment: str, traffic: int) -> bytes:
    """How a table, or the bins of a page, are called in the index of a bucket."""
    return orjson.dumps([kind, page, segment, int(traffic)])


@lru_cache(maxsize=100_000)
def key_member(page: str, segment: str) -> bytes:
    """How a page and segment is called in a group's sorted set of revisions."""
    return orjson.dumps([page, segment])


def manifest(namespace: str) -> str:
    """The key of a namespace's manifest."""
    return f"{PREFIX}{{{namespace}}}:manifest"
