from typing import TypeAlias

from numpy import uint8
from numpy.typing import NDArray

from policy.arrays import Indices, Ints

Bytes: TypeAlias = NDArray[uint8]
PackedBytes: TypeAlias = tuple[bytes, int, bytes | None, int]

class Numbering:
    def __init__(self, names: list[str]) -> None: ...
    def __getitem__(self, name: str) -> int: ...
    def stored(self, directory: bytes) -> Indices | None: ...

def joined(codes: Indices, more: Indices, names: int) -> tuple[Indices, Indices]: ...
def cells(
    blocks: list[bytes], block: int, fields: int, rows: int, slots: int, size: int
) -> list[PackedBytes | None]: ...
def sums(stored: bytes, fields: int, rows: Indices, size: int) -> list[PackedBytes | None]: ...
def add(into: Ints, rows: Indices, columns: Indices, counts: Bytes, width: int, times: int) -> None: ...
def add_few(
    into: Ints,
    rows: Indices,
    columns: Indices,
    counts: Bytes,
    width: int,
    places: Bytes,
    of_place: int,
    times: int,
) -> None: ...
