"""Looks from time to time, and tells each condition once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence

from reshelf.console.live_view import LiveView
from reshelf.console.notices.channels import Channel, Undelivered, channels
from reshelf.console.notices.conditions import Watch, notices
from reshelf.console.notices.marks import Marks
from reshelf.console.notices.message import Notice
from reshelf.service_settings import NoticeSettings
from schemas.errors import Transient
from streams.metrics import REGISTRY

EVERY_S = 15.0
log = logging.getLogger(__name__)


async def watch(view: LiveView, settings: NoticeSettings) -> None:
    """Tell what holds, for ever; without a channel there is nothing to do."""
    open_channels, watching = list(channels(settings)), Watch()
    while open_channels:
        await asyncio.sleep(EVERY_S)
        try:
            facts = await asyncio.to_thread(watching.facts, view, time.time_ns() // 1_000_000)
            holding = list(notices(facts, settings.dead_letters))
            marks = Marks(view.redis, view.settings.redis.namespace)
            await asyncio.gather(*(tell(channel, marks, holding) for channel in open_channels))
        except Transient as error:
            log.warning("notices wait: %s", error)
        except Exception:
            log.exception("notices could not be told in this round")


async def tell(channel: Channel, marks: Marks, holding: Iterable[Notice]) -> None:
    """Send what a channel was not told yet; what does not arrive is tried again in the next round."""
    by_mark = {f"{channel.name}\n{notice.key}": notice for notice in holding}
    claimed = await marks.claim(list(by_mark))
    new: Sequence[Notice] = [by_mark[mark] for mark in claimed]
    if not new:
        return
    try:
        await channel.send(new)
    except Undelivered as error:
        REGISTRY.add("reshelf_notices_total", channel.name, "failed", by=len(new))
        log.warning("%d notices were not delivered and are tried again: %s", len(new), error)
        await marks.release(claimed)
    else:
        REGISTRY.add("reshelf_notices_total", channel.name, "sent", by=len(new))
        await marks.keep(claimed)
