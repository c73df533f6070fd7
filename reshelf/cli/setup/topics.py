"""`reshelf topics`: create what is missing, list what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from reshelf.cli.front import Front
from reshelf.terminal.prose import tell
from reshelf.terminal.tables import show, table
from reshelf.topics.admin import Applied, TopicState, apply, hinders, remedy, states

OLD_DATA = click.option(
    "--imported",
    is_flag=True,
    help="Expect topics for old data, which keep the times of records and delete nothing by age.",
)


@click.group()
def topics() -> None:
    """Create the topics, or list them and how they differ from what they should be."""


@topics.command("apply")
@OLD_DATA
@click.pass_obj
def apply_(front: Front, imported: bool) -> int:
    """Create the topics that are missing; those that exist stay as they are.

    Ends with status 1 where one exists whose partitions, cleanup or times are others than they should be: workers
    would refuse it or lose what they need.  Another retention or number of copies is named alone.

    Example: reshelf topics apply
    """
    done = apply(front.settings.kafka, imported=imported)
    lines = [f"created {name}" for name in done.created] or ["nothing to create"]
    differing = [line for state in done.topics for line in _differences(state)]
    front.answer(
        {"created": list(done.created), **_content(done.topics)}, "\n".join([*lines, *differing, *_next(done)])
    )
    return 1 if any(map(hinders, done.topics)) else 0


@topics.command("list")
@OLD_DATA
@click.pass_obj
def list_(front: Front, imported: bool) -> None:
    """List the topics, and how they differ from what they should be.

    Example: reshelf topics list
    """
    topic_states = states(front.settings.kafka, imported=imported)
    if front.json:
        front.answer(_content(topic_states), "")
        return
    head = ("topic", "key", "cleanup", "partitions", "copies")
    show(table(head, [_cells(state) for state in topic_states], spare=1))
    for line in (line for state in topic_states for line in _differences(state)):
        tell(line)


def _next(done: Applied) -> list[str]:
    return [remedy(done.topics)] if any(map(hinders, done.topics)) else []


def _content(topics: Sequence[TopicState]) -> dict[str, Any]:
    return {
        "topics": [
            {
                "name": state.name,
                "key": state.topic.key,
                "cleanup": state.topic.cleanup,
                "partitions": state.partitions,
                "replication": state.replication,
                "differences": list(state.differences),
            }
            for state in topics
        ]
    }


def _cells(state: TopicState) -> tuple[str, ...]:
    size = (str(state.partitions), str(state.replication)) if state.exists else ("missing", "")
    return state.name, state.topic.key, state.topic.cleanup, *size


def _differences(state: TopicState) -> list[str]:
    return [f"  {state.name}: {difference}" for difference in state.differences] if state.exists else []
