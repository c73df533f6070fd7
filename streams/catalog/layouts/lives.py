"""Signs of life: until when the newest layouts are good that name one.

A layout is good until its own end or that of its life, whichever is later: its workers publish it again when it
changes, and otherwise only say that it stands.
"""

from __future__ import annotations

from schemas.codec import decode_key, decoder
from schemas.errors import BadRecord
from schemas.messages.layouts import LayoutLife
from schemas.topics import LAYOUT_LIVES

_decode = decoder(LayoutLife)


class Lives:
    """Takes records of `layout-lives` in the order of the log; the newest of each life counts.

    One thread may write while others read.
    """

    def __init__(self) -> None:
        self._lives: dict[str, LayoutLife] = {}

    def __len__(self) -> int:
        return len(self._lives)

    def get(self, name: str) -> LayoutLife | None:
        """The newest sign of a life."""
        return self._lives.get(name)

    def all(self) -> list[LayoutLife]:
        """The newest sign of each life, by name."""
        return [life for _, life in sorted(self._lives.copy().items())]

    def end_of(self, name: str, expires_at: int) -> int:
        """When a layout expires that names this life and ends at `expires_at` by itself."""
        life = self._lives.get(name)
        return expires_at if life is None else max(expires_at, life.expires_at)

    def take(self, name: str, value: bytes | None) -> bool:
        """Take over a record, a null value takes the life away; whether it ends before what was known of it.

        Raises `BadRecord` where the value is invalid; what was there before stays.
        """
        before = self._lives.get(name)
        if value is None:
            return self._lives.pop(name, None) is not None
        life: LayoutLife = _decode(value)
        if life.life != name:
            raise BadRecord("key", f"expected `life` to be the record's key {name!r}, got {life.life!r}")
        self.remember(life)
        return before is not None and life.expires_at < before.expires_at

    def take_record(self, key: bytes | None, value: bytes | None) -> bool:
        """The same for a record whose key was not read yet."""
        (name,) = decode_key(LAYOUT_LIVES, key)
        return self.take(name, value)

    def remember(self, life: LayoutLife) -> None:
        """Take over what is about to come on the topic."""
        self._lives[life.life] = life


def life_name(namespace: str, partition: int, partitions: int) -> str:
    """The life of the layouts of one owner: of a partition of `layout-requests`, which has so many.

    A namespace looks after its own layouts alone, and partitions that were added make owners of other keys.
    """
    return f"{namespace}/{partition}/{partitions}"
