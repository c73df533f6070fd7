"""Why a worker refuses to go on from the state with the log that there is; `reshelf doctor` asks the same first."""

from __future__ import annotations

from schemas.errors import StateAttention

PARTITIONS_ADDED = (
    "Kafka takes none away again: with your broker's tools give all event topics as many as the one that has most, and "
    "set kafka.partitions to that number. Then `reshelf replay --into NEW --to TIME`, with a time before they were "
    "added up to which workers had read everything (an hour before is right, too), and `reshelf state swap NEW`. "
    "See docs/operating/operating.md, Partitions were added."
)
"""What to do where an event topic was given more partitions."""


def check_end(passed: str, offset: int, end: int) -> None:
    """Raise `StateAttention` where a log ends at `end`, before what was `passed` of it, in words."""
    if offset > end:
        raise StateAttention(
            f"{passed} up to offset {offset}, but the log ends at {end}: the topic was deleted and made again, or this "
            "is another cluster. Point kafka.bootstrap at the right cluster, or set redis.namespace to a new name and "
            "replay the log into it."
        )


def check_begin(where: str, offset: int, first: int, accept_loss: bool) -> int:
    """How many offsets between the state and a log that begins at `first` are gone.

    Raises `StateAttention` where some are and `learner.accept_loss` does not allow for it.
    """
    lost = max(0, first - offset)
    if lost and not accept_loss:
        raise StateAttention(
            f"{lost} offsets of {where} were deleted before they were read: the state stands at {offset}, the log "
            f"begins at {first}. Replay an archive into a new namespace, or set learner.accept_loss = true to go on "
            "without them."
        )
    return lost
