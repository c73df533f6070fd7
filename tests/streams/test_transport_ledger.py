"""Laws of the transport's ledger: commits, rewinds and ownership."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.records import Batch, TopicPartition
from streams.transport.ledger import VOID, Ledger

NAME = ("p-events-clicks", 0)
TP = TopicPartition("events-clicks", 0)


@dataclass
class Message:
    value: Batch
    acked: bool = False
    generation_id: int | None = 1


def deliver(ledger: Ledger, end: int) -> Message | None:
    part = ledger.owned[NAME]
    batch = part.cut([], end)
    if batch is None:
        return None
    message = Message(batch)
    part.deliver(message)
    return message


def owning(position: int = 0) -> Ledger:
    ledger = Ledger()
    ledger.assign({NAME: TP})
    ledger.owned[NAME].place(position)
    return ledger


steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), st.integers(0, 5)),
        st.tuples(st.just("ack"), st.integers(0, 30)),
        st.tuples(st.just("rewind"), st.integers(0, 40)),
        st.tuples(st.just("commit"), st.just(0)),
        st.tuples(st.just("rebalance"), st.integers(0, 40)),
    ),
    max_size=60,
)


@given(steps)
def test_a_commit_never_passes_a_batch_in_work_and_void_batches_count_for_nothing(
    script: list[tuple[str, int]],
) -> None:
    ledger, messages = owning(), list[Message]()
    for step, number in script:
        if step == "read":
            made = deliver(ledger, (ledger.owned[NAME].position or 0) + number)
            messages += [made] if made else []
        elif step == "ack" and messages:
            messages[number % len(messages)].acked = True
        elif step == "rewind":
            ledger.owned[NAME].rewind(number)
        elif step == "rebalance":
            ledger.assign({NAME: TP})
            ledger.owned[NAME].place(number)
        elif step == "commit":
            ledger.committed(ledger.committable())
        current = [m for m in messages if ledger.current(m.value)]
        part = ledger.owned[NAME]
        ledger.committable()
        waiting = [m.value for m in current if not m.acked]
        assert part.acked is None or all(batch.start >= part.acked for batch in waiting)
        if current and not waiting:
            assert part.acked == part.position == current[-1].value.end
        assert all((m.generation_id == VOID) <= (not ledger.current(m.value)) for m in messages)


@given(st.lists(st.integers(0, 20), max_size=20), st.integers(0, 100))
def test_batches_of_a_generation_cover_the_log_without_holes(lengths: list[int], start: int) -> None:
    ledger, position, batches = owning(start), start, list[Batch]()
    for length in lengths:
        position += length
        made = deliver(ledger, position)
        batches += [made.value] if made else []
    edges = [start] + [batch.end for batch in batches]
    assert [batch.start for batch in batches] == edges[:-1]
    assert edges[-1] == position


def test_a_batch_of_an_earlier_ownership_stays_void_when_the_partition_returns() -> None:
    ledger = owning()
    before = deliver(ledger, 5)
    assert before is not None
    assert ledger.current(before.value)
    assert ledger.assign({}) == {TP}
    assert not ledger.current(before.value)
    assert ledger.named(TP) is None
    ledger.assign({NAME: TP})
    assert not ledger.current(before.value)
    assert before.generation_id == VOID


def test_only_partitions_that_went_elsewhere_are_lost() -> None:
    ledger = owning()
    ledger.revoke()
    assert ledger.assign({NAME: TP}) == frozenset()
    assert ledger.assign({("p-events-clicks", 1): TopicPartition("events-clicks", 1)}) == {TP}


def test_of_a_partition_that_stays_it_is_known_how_far_it_was_read() -> None:
    ledger = owning(3)
    messages = [deliver(ledger, end) for end in (5, 8)]
    assert messages[0] is not None
    messages[0].acked = True
    ledger.revoke()
    ledger.assign({NAME: TP})
    assert ledger.left(TP) == 5, "what was in work is read again"
    ledger.assign({NAME: TP})
    assert ledger.left(TP) is None, "it was not placed"
    assert ledger.left(TopicPartition("events-clicks", 1)) is None


def test_a_commit_that_failed_is_tried_again() -> None:
    ledger = owning()
    message = deliver(ledger, 5)
    assert message is not None
    message.acked = True
    assert ledger.committable() == {NAME: 5} == ledger.committable()
    ledger.committed({NAME: 5})
    assert ledger.committable() == {}
