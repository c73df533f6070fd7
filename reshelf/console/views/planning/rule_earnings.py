"""What the rules of pages have cost or earned so far, worked out beside the answers that show it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from policy.defaults import LEVEL
from reshelf.console.live_view import LiveView
from reshelf.console.views.drafts import private
from reshelf.inspect.prices.preview import page_pair
from reshelf.inspect.prices.so_far import report
from reshelf.inspect.prices.so_far_words import as_json
from reshelf.words.read import sentence_of
from reshelf.words.said import say
from schemas.errors import ReshelfError
from schemas.messages.pages import PageRules

FRESH_S = 60.0
MOST_PAGES = 100
"""Pages whose reports are kept: those worked out last."""
Content = dict[str, Any]
log = logging.getLogger(__name__)


async def rules_report(view: LiveView, rules: PageRules) -> Content:
    """The report of `reshelf rules report --json`; raises `ReshelfError` where there is no state yet."""
    pair = private(page_pair(view.catalog, rules, view.settings))
    versions, now_ms = view.rules_history.versions(rules), time.time_ns() // 1_000_000
    return as_json(await asyncio.to_thread(report, view.settings, pair, versions, now_ms), LEVEL)


class _Earned(NamedTuple):
    version: int
    since: float
    content: Content


class RuleEarnings:
    """Works out a page's report when it is asked for, at most once a minute, and one page at a time."""

    def __init__(self, work_out: Callable[[PageRules], Awaitable[Content]]) -> None:
        self._work_out = work_out
        self._earned: dict[str, _Earned] = {}
        self._task: asyncio.Task[None] | None = None

    def of(self, rules: PageRules, now: float) -> Content | None:
        """The last report of this version, None until there is one; what is old begins to be worked out anew.

        `now` is seconds of a clock that only goes forward.
        """
        earned = self._earned.get(rules.page)
        if earned is not None and earned.version != rules.version:
            earned = None
        idle = self._task is None or self._task.done()
        if idle and (earned is None or now - earned.since >= FRESH_S):
            self._task = asyncio.create_task(self._earn(rules, now))
        return None if earned is None else earned.content

    async def _earn(self, rules: PageRules, now: float) -> None:
        try:
            content = await self._work_out(rules)
        except ReshelfError as error:
            content = {"error": sentence_of(error)}
        except Exception:
            log.exception("what the rules of page %s earned could not be worked out", rules.page)
            content = {"error": say("refused.report")}
        self._earned.pop(rules.page, None)
        self._earned[rules.page] = _Earned(rules.version, now, content)
        if len(self._earned) > MOST_PAGES:
            del self._earned[next(iter(self._earned))]
