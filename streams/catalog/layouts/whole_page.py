"""The newest layouts of whole pages that those of segments take something from: baselines, and slates on trial."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from hashlib import blake2b

import msgspec
from msgspec import UNSET, UnsetType

from schemas.codec import decoder
from schemas.messages.layouts import Layout

_decode_layout = decoder(Layout)


class _Branch(msgspec.Struct, frozen=True):
    segment: str | UnsetType = UNSET


class _Lent(msgspec.Struct, frozen=True):
    """What segments may take from a layout, unparsed where it is long."""

    baseline: msgspec.Raw
    slates: msgspec.Raw
    propensities: msgspec.Raw
    segments: str | UnsetType = UNSET
    branches: list[_Branch] = []
    branch_salt: str = ""
    rows: msgspec.Raw = msgspec.Raw(b"")
    baseline_rows: msgspec.Raw = msgspec.Raw(b"")

    @property
    def has_whole_branches(self) -> bool:
        return any(branch.segment is not UNSET for branch in self.branches)

    @property
    def digest(self) -> bytes:
        """Over all that segments take."""
        parts = [self.baseline, self.baseline_rows]
        if self.has_whole_branches:
            parts += [self.slates, self.rows, self.propensities]
        names = self.branch_salt if self.has_whole_branches else ""
        return blake2b(b"\n".join([names.encode(), *map(bytes, parts)]), digest_size=16).digest()


_decode_lent: Callable[[bytes], _Lent] = decoder(_Lent)


class WholePageLayouts:
    """Layouts of `*` by page, as published, of pages with learned segments or with branches of the whole page."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}
        self._digests: dict[str, bytes] = {}

    def take(self, page: str, value: bytes | None) -> bool:
        """Keep a page's newest layout of `*`, None where it has none; whether what segments take from it changed.

        Raises `BadRecord` for what is no layout.
        """
        lent = None if value is None else _decode_lent(value)
        if value is None or lent is None or not (lent.segments or lent.has_whole_branches):
            self._digests.pop(page, None)
            return self._packed.pop(page, None) is not None
        before, now = self.digest(page), lent.digest
        self._digests[page], self._packed[page] = now, zlib.compress(value, 1)
        return before != now

    def digest(self, page: str) -> bytes:
        """Of what segments take from the page's layout of `*`; empty where there is none."""
        return self._digests.get(page, b"")

    def get(self, page: str) -> Layout | None:
        """The page's newest layout of `*`; None where there is none that segments take something from."""
        packed = self._packed.get(page)
        return None if packed is None else _decode_layout(zlib.decompress(packed))
