from collections.abc import Callable, Iterable
from typing import TypeAlias

from streams.fold import window
from streams.fold.deltas import CellName
from streams.kafka.records import Record
from streams.settings import FoldSettings

AdmitFastNames: TypeAlias = Callable[[int, int, str, str, int, list[tuple[int, str]]], bool]

class RecentWindow(window.RecentWindow): ...
class BlockCount(window.BlockCount): ...

class FastEvents:
    def __init__(self, fast_path: FastPath) -> None: ...
    def __len__(self) -> int: ...
    def since(self, floor: int) -> int: ...
    def counted(
        self, applied_offsets: list[int] | None
    ) -> list[tuple[CellName, Cells, dict[int, tuple[int, int]]]]: ...

class Cells:
    def __init__(self, fast_path: FastPath) -> None: ...
    def __len__(self) -> int: ...
    def total(self) -> int: ...
    def counted(self) -> dict[tuple[str, str], int]: ...

class FastPath:
    newest: int
    def __init__(
        self,
        limits: dict[str, dict[str, int]],
        fold: FoldSettings,
        life: int,
        ids: window.RecentWindow,
        views: window.RecentWindow,
        units: window.RecentWindow,
        brought: window.BlockCount,
    ) -> None: ...
    def admit_names(
        self,
        bucket: int,
        page: str,
        segment: str,
        variant: int,
        names: Iterable[tuple[int, str]],
        group: int,
        whole: int,
    ) -> bool: ...
    def take(
        self,
        records: list[Record],
        at: int,
        first: int,
        newest: int,
        fast_events: FastEvents,
        skipped: dict[str, list[int]],
        admit_names: AdmitFastNames | None,
    ) -> int: ...

def packed_cells(
    cells: Cells | None,
    counts: list[dict[tuple[str, str], int]],
    items: object,
    slots: object,
    width: int,
) -> list[tuple[int, bytes]]: ...
