"""How much of the limits on names is used, in words."""

from __future__ import annotations

from reshelf.words.said import say
from streams.state.limits.use import QuotaUse


def use_in_words(use: QuotaUse) -> str:
    """Which partition uses how much of a limit."""
    return say("quota.use", partition=str(use.tp), use=use.use, limit=use.limit, names=use.names)


def next_step(use: QuotaUse) -> str:
    """What to do before the limit bites."""
    return say("quota.remedy", setting=use.setting)
