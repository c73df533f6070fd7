"""What a console sees of rules and drafts, without its threads: rules are read whenever they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

from reshelf.console.followed.drafts import Drafts
from reshelf.console.followed.rules_history import RulesHistory
from reshelf.console.live_view import LiveView
from reshelf.rules.topic import newest
from reshelf.settings import Settings
from schemas.messages.pages import PageRules
from streams.settings import KafkaSettings


class _ReadAnew:
    """A catalog without items."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self.items: Mapping[str, Any] = {}
        self.texts: Mapping[str, Any] = {}

    @property
    def rules(self) -> Mapping[str, PageRules]:
        return newest(self._kafka)


def console_view(settings: Settings) -> LiveView:
    """The view of a broker's topics; drafts are those that it keeps itself."""
    parts = {"catalog": _ReadAnew(settings.kafka), "drafts": Drafts(), "rules_history": RulesHistory()}
    return cast(LiveView, SimpleNamespace(settings=settings, **parts))
