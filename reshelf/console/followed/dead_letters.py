"""Dead letters: the last ones, to look into, and how many there are by reason."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from confluent_kafka import Message

from reshelf.console.followed.topic_tail import TopicTail
from reshelf.words.said import say
from schemas import dead_letters
from schemas.errors import BadRecord
from schemas.topics import DEAD_LETTERS
from streams.settings import KafkaSettings

LAST = 200
"""Letters of each partition to begin with."""
SHOWN = 50
"""Letters that an answer holds, the newest."""
VALUE_CHARACTERS = 2_000
HEADER_CHARACTERS = 200
SHOWN_HEADERS = 10
KINDS = 200
"""Pairs of topic and reason that are counted by themselves: both are what a letter says of itself."""
OTHERS = ("", "others")
Row = dict[str, Any]


class RecentDeadLetters:
    """Follows the topic of dead letters from its last records on; `reasons` counts those read by topic and reason."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self.reasons: Counter[tuple[str, str]] = Counter()
        self.last: deque[Row] = deque(maxlen=SHOWN)
        self._tail = TopicTail(kafka, DEAD_LETTERS, self._take, LAST)

    @property
    def total(self) -> int:
        """Letters on the topic, those before the last ones included."""
        return self._tail.skipped + sum(self.reasons.values())

    def by_topic(self) -> Counter[str]:
        """How many were read of each topic."""
        totals = Counter[str]()
        for (topic, _), count in list(self.reasons.items()):
            totals[topic] += count
        return totals

    def read(self) -> None:
        """Take over what came; blocks for a moment.  A broker that is away is tried again the next time."""
        self._tail.read()

    def close(self) -> None:
        """Leave the broker."""
        self._tail.close()

    def as_json(self) -> dict[str, Any]:
        """The letters as a page shows them, newest first."""
        return {
            "total": self.total,
            "reasons": [
                {"topic": topic, "reason": reason, "letters": count, "remedy": _remedy(reason)}
                for (topic, reason), count in self.reasons.most_common()
            ],
            "last": list(reversed(self.last)),
        }

    def _take(self, message: Message) -> None:
        key, value = message.key(), message.value()
        try:
            letter = dead_letters.read(dead_letters.headers_of(message), key, value)
        except BadRecord as error:
            letter = dead_letters.DeadLetter("", 0, 0, "unknown", error.detail, key, value)
        kind = _short(letter.topic), _short(letter.reason)
        self.reasons[kind if kind in self.reasons or len(self.reasons) < KINDS else OTHERS] += 1
        self.last.append(_row(message.timestamp()[1], letter))


def _row(at: int, letter: dead_letters.DeadLetter) -> Row:
    """What a page shows of a letter, of bounded size whatever the letter holds; `at` in milliseconds."""
    shown = [[_short(name), _text(content)] for name, content in letter.headers[:SHOWN_HEADERS]]
    if more := len(letter.headers) - len(shown):
        shown.append(["…", say("letter.headers", count=more)])
    return {
        "at": at,
        "topic": _short(letter.topic),
        "place": f"{letter.partition}:{letter.offset}",
        "reason": _short(letter.reason),
        "detail": _short(letter.detail, VALUE_CHARACTERS),
        "key": _text(letter.key),
        "value": _text(letter.value, VALUE_CHARACTERS),
        "headers": shown,
    }


def _text(content: bytes | None, most: int = HEADER_CHARACTERS) -> str | None:
    if content is None:
        return None
    text = content[:most].decode(errors="backslashreplace")
    if len(content) <= most and len(text) <= most:
        return text
    return say("letter.bytes", text=text[:most], count=len(content))


def _short(text: str, most: int = HEADER_CHARACTERS) -> str:
    return text if len(text) <= most else say("letter.characters", text=text[:most], count=len(text))


def _remedy(reason: str) -> str:
    return say(f"dead-letter.{reason}") if reason in dead_letters.REASONS else ""
