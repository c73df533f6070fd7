"""The Open Bandit Dataset as events.

Reads the dataset's own files (`P/C/C.csv` and `P/C/item_context.csv` for policy P
and campaign C; Saito, Aihara, Matsutani, Narita 2021).  A row becomes an
impression of one slot and, where `click` is 1, a click.

The rows were logged by other systems, so no layout of ours chose them: they carry
layout version 0 and variant 0, which counts them as learned traffic.  Each row is
a visitor of its own, since the dataset names none.

Event ids are made from campaign, policy, row number and a digest of the row.  So
the same row always has the same ids, and `missing` says which of them the
topics lack.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.errors import BadSettings
from schemas.foreign_content import encoding_of
from schemas.messages.catalog import CatalogItem
from schemas.messages.events import Click, Impression, SlotItem
from schemas.messages.pages import Candidates, PageRules

CAMPAIGNS = ("all", "men", "women")
POLICIES = ("bts", "random")
SLOTS = ("0", "1", "2")
SEGMENT_LENGTH = 6
DEFAULT_SEGMENT = "user_feature_0"
REQUIRED = ("timestamp", "item_id", "position", "click")
FEATURES = ("item_feature_0", "item_feature_1", "item_feature_2", "item_feature_3")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_POSITIONS = {str(number + 1): slot for number, slot in enumerate(SLOTS)}


class RowEvents(NamedTuple):
    """The events of one row."""

    impression: Impression
    click: Click | None


@dataclass(frozen=True, slots=True)
class OpenBandit:
    """One campaign under one policy in `folder`; `segment_by` is the column that names the segment."""

    folder: Path
    campaign: str
    policy: str
    segment_by: str = DEFAULT_SEGMENT

    @property
    def page(self) -> str:
        """The page that stands for the campaign."""
        return f"obd-{self.campaign}"

    @property
    def stem(self) -> str:
        """What all event ids of this campaign and policy begin with."""
        return f"{self.page}-{self.policy}-"

    @property
    def log_file(self) -> Path:
        """The rows."""
        return self.folder / self.policy / self.campaign / f"{self.campaign}.csv"

    @property
    def context_file(self) -> Path:
        """The items."""
        return self.folder / self.policy / self.campaign / "item_context.csv"

    def check(self) -> None:
        """Raise BadSettings unless campaign, policy, files and columns are there."""
        _one_of("--campaign", self.campaign, CAMPAIGNS)
        _one_of("--policy", self.policy, POLICIES)
        for path, columns in (
            (self.log_file, (*REQUIRED, self.segment_by)),
            (self.context_file, ("item_id", *FEATURES)),
        ):
            header = _header(path)
            lacking = [column for column in columns if column not in header]
            if lacking:
                hint = " Choose another --segment-by." if self.segment_by in lacking else ""
                raise BadSettings(
                    f"{path}: expected columns {', '.join(columns)}, got a header without {', '.join(lacking)}.{hint}"
                )

    def events(self) -> Iterator[RowEvents]:
        """The events of every row in the file's order; raises BadSettings naming the line of a bad row."""
        with self.log_file.open(newline="", encoding="utf-8-sig") as source:
            reader = csv.reader(source)
            columns = _columns(next(reader), self.segment_by)
            for number, row in enumerate(reader):
                try:
                    yield self._row(number, row, columns)
                except (ValueError, IndexError, KeyError) as error:
                    raise BadSettings(
                        f"{self.log_file}, line {reader.line_num}: {_explain(error)}. Rows before it may be in; "
                        "mend or replace the file and import again: what is in is left out."
                    ) from None

    def _row(self, number: int, row: list[str], columns: _Columns) -> RowEvents:
        digest = blake2b("\x1f".join(row).encode(), digest_size=6).hexdigest()
        event_id = f"{self.stem}{number}-{digest}"
        when = (_time(row[columns.timestamp]) - _EPOCH) // _MILLISECOND
        slot, item = _slot(row[columns.position]), _filled("item_id", row[columns.item_id])
        segment = _filled(self.segment_by, row[columns.segment])[:SEGMENT_LENGTH]
        impression = Impression(event_id, when, event_id, self.page, segment, event_id, 0, 0, [SlotItem(slot, item)])
        if not _flag(row[columns.click]):
            return RowEvents(impression, None)
        return RowEvents(impression, Click(event_id, when, event_id, self.page, segment, slot, item, event_id, 0, 0))

    def catalog(self) -> list[CatalogItem]:
        """The items with their anonymous features; the first feature that is a name serves as category."""
        with self.context_file.open(newline="", encoding="utf-8-sig") as source:
            return [
                CatalogItem(
                    item=row["item_id"],
                    title=f"Item {row['item_id']} of campaign {self.campaign}",
                    category=row["item_feature_1"][:SEGMENT_LENGTH],
                    tags=[self.page],
                    attributes={name: row[name] for name in FEATURES},
                )
                for row in csv.DictReader(source)
            ]

    def page_rules(self, version: int) -> PageRules:
        """The page with its three slots; candidates are the campaign's items."""
        return PageRules(self.page, version, list(SLOTS), candidates=Candidates(tags=[self.page]))


class _Columns(NamedTuple):
    timestamp: int
    item_id: int
    position: int
    click: int
    segment: int


def _columns(header: list[str], segment_by: str) -> _Columns:
    return _Columns(*(header.index(name) for name in (*REQUIRED, segment_by)))


def _header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as source:
            return next(csv.reader(source), [])
    except (OSError, UnicodeDecodeError) as error:
        said = f" (it {encoding_of(error.object)})" if isinstance(error, UnicodeDecodeError) else ""
        raise BadSettings(
            f"{path}: expected a CSV file of the Open Bandit Dataset, got: {error}{said}. "
            "DIR is the folder that holds bts/ and random/, with a folder for each campaign in them."
        ) from None


def _one_of(option: str, value: str, expected: tuple[str, ...]) -> None:
    if value not in expected:
        raise BadSettings(f"{option}: expected one of {', '.join(expected)}, got {value!r}.")


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


def _slot(position: str) -> str:
    if position not in _POSITIONS:
        raise ValueError(f"position: expected {', '.join(_POSITIONS)}, got {position!r}")
    return _POSITIONS[position]


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"click: expected 0 or 1, got {text!r}")
    return text == "1"


def _filled(column: str, text: str) -> str:
    if not text:
        raise ValueError(f"{column}: expected a value, got none")
    return text


def _explain(error: Exception) -> str:
    return "the row has fewer columns than the header" if isinstance(error, IndexError) else str(error)


class HeldIds:
    """Which event ids a topic holds, eight bytes each: 26 million rows take 208 MB.

    Two ids are taken for one where their 64-bit digests are equal: for 26 million
    rows the chance that this happens anywhere is 2 in 100,000.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._digests: NDArray[np.uint64] = np.fromiter((_digest(name) for name in ids), dtype=np.uint64)
        self._digests.sort()

    def __len__(self) -> int:
        return len(self._digests)

    def __contains__(self, event_id: str) -> bool:
        digest = np.uint64(_digest(event_id))
        place = int(np.searchsorted(self._digests, digest))
        return place < len(self._digests) and bool(self._digests[place] == digest)


def _digest(event_id: str) -> int:
    return int.from_bytes(blake2b(event_id.encode(), digest_size=8).digest(), "big")


def missing(events: Iterable[RowEvents], impressions: HeldIds, clicks: HeldIds) -> Iterator[Impression | Click]:
    """The events whose ids the topics do not hold yet, impression before click."""
    for impression, click in events:
        if impression.event_id not in impressions:
            yield impression
        if click is not None and click.event_id not in clicks:
            yield click
