"""What has to be encoded: the difference between the catalog and the vectors that are published.

All that is known comes from the two compacted topics, so a worker that starts
again knows what the one before it did, whenever that one died.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from encoders.text import content_hash, text_of
from schemas.messages.catalog import CatalogItem


class Origin(NamedTuple):
    """What a vector was made from."""

    model: str
    revision: str
    content_hash: str


class Task(NamedTuple):
    """A text to be encoded; `offset` and `append_time` (ms, below 0: unknown) are those of the item's record."""

    item: str
    text: str
    content_hash: str
    partition: int
    offset: int
    append_time: int = -1


@dataclass(slots=True)
class Changes:
    """The tasks of a model and revision.

    `changed` holds items whose text is new, in the order they came; `outdated` those
    whose vector is of the same text but another model or revision.  What was refused is
    not tried again until the text is another.
    """

    model: str
    revision: str
    published: dict[str, Origin] = field(default_factory=dict)
    refused: dict[str, Origin] = field(default_factory=dict)
    changed: dict[str, Task] = field(default_factory=dict)
    outdated: dict[str, Task] = field(default_factory=dict)
    catalog_items: set[str] = field(default_factory=set)
    skipped: int = 0

    def set_origin(self, item: str, origin: Origin | None) -> None:
        """Take over what catalog-embeddings says of an item; None where it has no vector."""
        if origin is None:
            self.published.pop(item, None)
        else:
            self.published[item] = origin

    def take(self, item: str, content: CatalogItem | None, partition: int, offset: int, append_time: int = -1) -> bool:
        """Take over what catalog-items says of an item; whether its vector is to be deleted."""
        self.changed.pop(item, None)
        self.outdated.pop(item, None)
        if content is None:
            self.catalog_items.discard(item)
            self.refused.pop(item, None)
            return self.published.pop(item, None) is not None
        self.catalog_items.add(item)
        text = text_of(content)
        task = Task(item, text, content_hash(text), partition, offset, append_time)
        origin = self.published.get(item)
        if self.origin(task) in (origin, self.refused.get(item)):
            self.skipped += 1
        elif origin is not None and origin.content_hash == task.content_hash:
            self.outdated[item] = task
        else:
            self.changed[item] = task
        return False

    def orphans(self) -> list[str]:
        """Items with a vector that the catalog, read to its end, does not know; they are forgotten."""
        gone = sorted(self.published.keys() - self.catalog_items)
        for item in gone:
            del self.published[item]
        return gone

    def next(self, most: int, most_outdated: int) -> list[Task]:
        """At most `most` tasks to do now: changed texts first, then up to `most_outdated`, the newest first."""
        tasks = [self.changed.pop(item) for item in list(self.changed)[:most]]
        for _ in range(min(most - len(tasks), most_outdated, len(self.outdated))):
            tasks.append(self.outdated.popitem()[1])
        return tasks

    def done(self, task: Task) -> None:
        """Its vector is published."""
        self.published[task.item] = self.origin(task)
        self.refused.pop(task.item, None)

    def refuse(self, task: Task) -> bool:
        """It gets no vector; whether that of its former text is to be deleted."""
        self.refused[task.item] = self.origin(task)
        return self.published.pop(task.item, None) is not None

    def origin(self, task: Task) -> Origin:
        return Origin(self.model, self.revision, task.content_hash)
