from collections.abc import Callable
from typing import Any, TypeAlias

from streams.fold import window
from streams.fold.deltas import CellName
from streams.fold.fast.path import EventRules
from streams.fold.names.quota import NewNames
from streams.kafka.records import Record
from streams.settings import FoldSettings

Pairs: TypeAlias = dict[tuple[str, str], int]

class RecentNames(window.RecentNames):
    def __init__(self, reach: window.Reach, key: bytes, notes: bool = False) -> None: ...
    @property
    def size(self) -> int: ...
    def written(self) -> bytes: ...
    def load(self, written: bytes, first: int) -> None: ...
    def forget_parts(self, first: int) -> None: ...

def checksum(content: bytes, seed: int) -> int: ...

class FastEvents:
    def __init__(self, fast_path: FastPath) -> None: ...
    def __len__(self) -> int: ...
    def since(self, floor: int) -> int: ...
    def counted(
        self, applied_offsets: list[int] | None
    ) -> list[tuple[CellName, Cells, dict[int, tuple[int, int]], dict[str, tuple[int, int]], Pairs, Pairs]]: ...

class Cells:
    def __init__(self, fast_path: FastPath) -> None: ...
    def __len__(self) -> int: ...
    def total(self) -> int: ...
    def counted(self) -> dict[tuple[str, str], int]: ...

class FastPath:
    newest: int
    full: bool
    bucket: int
    def __init__(
        self,
        limits: dict[str, dict[str, int]],
        fold: FoldSettings,
        life: int,
        recent: window.RecentNames,
        visible_cap: int,
    ) -> None: ...
    def admit_names(self, event: object, bucket: int, groups: tuple[int, int]) -> None: ...
    def take(
        self,
        records: list[Record],
        at: int,
        first: int,
        newest: int,
        fast_events: FastEvents,
        skipped: dict[str, list[int]],
        new_names: NewNames | None,
    ) -> int: ...

class EventPath:
    newest: int
    admitted_bytes: int
    def __init__(
        self,
        decode: Callable[[Any], Any],
        kind: type[Any],
        rules: EventRules,
        fold: FoldSettings,
        recent: window.RecentNames,
    ) -> None: ...
    def take(
        self,
        records: list[Record],
        at: int,
        first: int,
        newest: int,
        accepted: list[Any],
        skipped: dict[str, list[int]],
        admit: Any,
        refused: list[Any],
    ) -> int: ...

def packed_cells(
    cells: Cells | None,
    counts: list[dict[tuple[str, str], int]],
    items: object,
    slots: object,
    width: int,
) -> list[tuple[int, bytes]]: ...
