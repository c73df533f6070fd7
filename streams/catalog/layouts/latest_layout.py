"""What is known of the newest published layout of a page and segment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

import msgspec
from msgspec import UNSET, UnsetType

from schemas.codec import decoder
from schemas.messages.layouts import Arranged, Layout
from streams.catalog.layouts.arranged import PublishedRows


class _Content(msgspec.Struct, frozen=True):
    """The part of a layout that says whether a new one differs, unparsed where it is long."""

    version: int
    produced_at: int
    expires_at: int
    epoch: int
    rules_version: int
    template: msgspec.Raw
    settings_digest: msgspec.Raw
    policy: msgspec.Raw
    baseline: msgspec.Raw
    slates: msgspec.Raw
    propensities: msgspec.Raw
    branches: msgspec.Raw = msgspec.Raw(b"[]")
    branch_salt: str = ""
    experiment_since: int = 0
    guard_rail: str = ""
    life: str = ""
    decided_at: int = 0
    rows: msgspec.Raw = msgspec.Raw(b"")
    baseline_rows: msgspec.Raw = msgspec.Raw(b"")
    shelves: msgspec.Raw = msgspec.Raw(b"")
    arranged: Arranged | UnsetType = UNSET
    segments: str | UnsetType = UNSET
    segments_withdrawn: str | UnsetType = UNSET


_decode_content = decoder(_Content)


@dataclass(frozen=True, slots=True)
class LatestLayout:
    """What is known of a published layout; `fingerprint` is over all that a renderer acts on.

    `live` is False where there is none or a tombstone; `lost` says that an older
    version came after it on the topic, so that it has to be published again.
    `guard_rail` says why the page fell back in the experiment of that time, `life` what says how long it is good.
    `rows` are there on a page with shelves, and `segments_withdrawn` says why all its segments have the slates of `*`.
    """

    version: int
    produced_at: int = 0
    expires_at: int = 0
    fingerprint: bytes = b""
    live: bool = True
    lost: bool = False
    experiment_since: int = 0
    guard_rail: str = ""
    life: str = ""
    rows: PublishedRows | None = None
    segments_withdrawn: str = ""

    @property
    def half_life_at(self) -> int:
        """When half of its life is over, milliseconds."""
        return (self.produced_at + self.expires_at) // 2

    @property
    def content(self) -> tuple[bytes, int, str, str]:
        """What must be published again where it differs."""
        return self.fingerprint, self.experiment_since, self.guard_rail, self.segments_withdrawn

    def stamped(self, layout: Layout) -> LatestLayout:
        """The same content as this layout publishes it."""
        return replace(
            self,
            version=layout.version,
            produced_at=layout.produced_at,
            expires_at=layout.expires_at,
            life=layout.life,
            rows=PublishedRows.of(layout),
        )


NO_LAYOUT = LatestLayout(0, live=False)


def latest_layout_of(value: bytes) -> LatestLayout:
    """What a layout's bytes say of it; raises `BadRecord`."""
    content = _decode_content(value)
    acted_on = (
        content.template,
        content.settings_digest,
        content.policy,
        content.baseline,
        content.slates,
        content.propensities,
        content.branches,
        content.branch_salt.encode(),
    )
    digest = blake2b(b"%d" % content.epoch, digest_size=16)
    for part in acted_on:
        digest.update(b"\n" + bytes(part))
    for part in (content.rows, content.baseline_rows, content.shelves):
        if bytes(part):
            digest.update(b"\n" + bytes(part))
    if content.segments is not UNSET:
        digest.update(b"\n" + content.segments.encode())
    if content.arranged is not UNSET:
        # A new decision begins a period, also where it is the same as the one before.
        digest.update(b"\n%r" % content.arranged.views)
    return LatestLayout(
        content.version,
        content.produced_at,
        content.expires_at,
        digest.digest(),
        experiment_since=content.experiment_since,
        guard_rail=content.guard_rail,
        life=content.life,
        segments_withdrawn=content.segments_withdrawn or "",
        rows=None
        if content.arranged is UNSET
        else PublishedRows(
            bytes(content.rows), content.arranged, content.rules_version, content.epoch, content.decided_at
        ),
    )
