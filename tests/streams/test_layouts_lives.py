"""What workers say of layouts that do not change: no more than they looked after, and enough to leave them alone."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decoder
from schemas.errors import BadRecord, StateAttention, Transient
from schemas.messages.layouts import LayoutLife
from schemas.topics import LAYOUT_LIVES
from streams.catalog.layouts.latest_layout import LatestLayout
from streams.catalog.layouts.lives import Lives
from streams.catalog.page import Key
from streams.catalog.view import CatalogView
from streams.kafka.producer import Delivery
from streams.layouts.clock import Clock
from streams.layouts.clock_guard import RETRY_MS, ClockGuard
from streams.layouts.lives.ownership import Ownership
from streams.layouts.lives.signs import SETTLE_MS, LayoutLives
from streams.metrics import Registry
from streams.obstacles import OBSTACLES
from streams.page_settings import LayoutSettings
from tests.streams.layout_inputs import Topics

TTL_MS, SKEW_MS, NOON, DAY_MS = 600_000, 60_000, 1_700_000_000_000, 86_400_000
KEYS = [Key("home", f"s{number}") for number in range(6)]
PARTITIONS = 2
decode = decoder(LayoutLife)


class World:
    """A worker's lives, on a broker whose clock is right and a machine whose clock may be off."""

    def __init__(self, **layouts: Any) -> None:
        self.true, self.off, self.steady = NOON, 0, 0.0
        self.fails: Exception | None = None
        self.said: list[LayoutLife] = []
        self.due: list[Key] = []
        self.looked: dict[Key, int] = {}
        self.catalog, self.ownership, self.metrics = CatalogView(), Ownership("live"), Registry()
        self.ownership.partitions = PARTITIONS
        chosen = LayoutSettings(ttl_ms=TTL_MS, max_clock_skew_ms=SKEW_MS, **layouts)
        clock = Clock(lambda: self.true + self.off, lambda: self.steady)
        guard = ClockGuard(SKEW_MS, TTL_MS, self.metrics, clock.steady)
        log_producer: Any = self
        self.lives = LayoutLives(
            self.catalog, self.ownership, log_producer, chosen, self.metrics, clock, guard, self.due.append
        )

    async def deliver(self, records: Any) -> list[Delivery]:
        if self.fails is not None:
            raise self.fails
        records = list(records)
        assert {record.topic for record in records} <= {LAYOUT_LIVES.name}
        self.said += [decode(record.value) for record in records if record.value is not None]
        return [Delivery(0, 0, self.true)] * len(records)

    publish = deliver

    def own(self, *partitions: int) -> None:
        """These partitions; those that are lost are others' meanwhile."""
        before, self.ownership.owned = self.ownership.owned, frozenset(partitions)
        self.lives.own(before & self.ownership.owned)
        self.looked = {key: at for key, at in self.looked.items() if key in self.ownership}

    def advance(self, ms: int) -> None:
        self.true, self.steady = self.true + ms, self.steady + ms

    def look(self, key: Key) -> None:
        if key in self.ownership:
            self.lives.freshness.up_to_date(key, self.lives.now())
            self.looked[key] = self.true

    def published(self, key: Key, *, lost: bool = False) -> None:
        name = self.lives.name_of(key)
        version = self.catalog.latest_layout(key).version + 1
        self.catalog.remember(key, LatestLayout(version, self.true, self.true + TTL_MS, life=name, lost=lost))

    def give(self) -> list[LayoutLife]:
        """One round; what it said."""
        before = len(self.said)
        try:
            asyncio.run(self.lives.give())
        except Transient:
            assert self.fails is not None
        return self.said[before:]

    def keys_of(self, life: str) -> list[Key]:
        return [
            key
            for key, latest in self.catalog.published.items()
            if latest.live and latest.life == life == self.lives.name_of(key)
        ]


GOOD_ROUND: list[tuple[str, Any]] = [("look at all", None), ("advance", 3_000), ("give", True)]
OPERATIONS = st.one_of(
    st.just(GOOD_ROUND),
    st.just(GOOD_ROUND),
    st.tuples(
        st.one_of(
            st.tuples(st.sampled_from(["look", "publish", "lose"]), st.sampled_from(KEYS)),
            st.tuples(st.just("advance"), st.sampled_from([1, 3_000, TTL_MS // 3, TTL_MS])),
            st.tuples(st.just("sleep"), st.sampled_from([TTL_MS // 3, 2 * DAY_MS])),
            st.tuples(st.just("set"), st.sampled_from([DAY_MS, -DAY_MS, SKEW_MS // 2, -SKEW_MS // 2])),
            st.tuples(st.just("own"), st.sets(st.integers(0, PARTITIONS - 1))),
        )
    ).map(list),
    st.sampled_from([[("give", True)], [("give", False)], [("set", 0)], [("own", {0, 1})], [("advance", 3_000)]]),
)


def _act(world: World, name: str, value: Any) -> None:
    if name == "look":
        world.look(value)
    elif name in ("publish", "lose"):
        world.published(value, lost=name == "lose")
    elif name == "advance":
        world.advance(value)
    elif name == "sleep":  # the machine stands still, and so does the clock that is never set
        world.true += value
        world.off = 0
    elif name == "set":
        world.off = value
    elif name == "own":
        world.own(*value)
    elif name == "look at all":
        for key in KEYS:
            world.look(key)


@settings(max_examples=200, deadline=None)
@given(st.lists(OPERATIONS, max_size=20))
def test_no_life_lasts_longer_than_its_worker_looked_after_each_key(operations: list[list[tuple[str, Any]]]) -> None:
    world, ends = World(), dict[str, int]()
    for key in KEYS:
        world.published(key)
    world.own(0, 1)
    for name, value in chain(GOOD_ROUND, *operations):
        _act(world, name, value)
        world.fails = None if name != "give" or value else Transient("Kafka is away")
        for life in world.give() if name == "give" else ():
            owned = {world.ownership.life(partition) for partition in world.ownership.owned}
            assert life.life in owned, "it has lost the partition"
            assert life.expires_at >= ends.get(life.life, 0), "a life went back"
            if life.expires_at > ends.get(life.life, 0):
                assert world.true - SKEW_MS < life.expires_at <= world.true + TTL_MS + SKEW_MS
                for key in world.keys_of(life.life):
                    assert world.looked.get(key, 0) + TTL_MS + SKEW_MS >= life.expires_at
                    assert not world.catalog.latest_layout(key).lost
            ends[life.life] = life.expires_at
    OBSTACLES.clear()
    _vouches_for_all_after_a_whole_pass(world)


def _vouches_for_all_after_a_whole_pass(world: World) -> None:
    world.off, world.fails = 0, None
    world.own(0, 1)
    for key in KEYS:
        world.published(key)
    world.advance(int(RETRY_MS + SETTLE_MS))
    world.give()  # by a clock that is right again
    for key in KEYS:
        world.look(key)
    world.give()
    for key in KEYS:
        life = world.catalog.lives.get(world.lives.name_of(key))
        assert life is not None and life.held_up_by == ""
        # What a clock within the limits said before stays.
        assert world.true + TTL_MS <= life.expires_at <= world.true + TTL_MS + SKEW_MS


def settled() -> World:
    """A worker that has looked after all keys of both partitions and said so."""
    world = World()
    world.own(0, 1)
    for key in KEYS:
        world.published(key)
        world.look(key)
    world.advance(int(SETTLE_MS))
    assert {life.expires_at for life in world.give()} == {NOON + TTL_MS}
    return world


def test_a_key_that_cannot_be_brought_up_to_date_is_named_and_those_beside_it_are_published_again() -> None:
    world, stuck = settled(), KEYS[0]
    name = world.lives.name_of(stuck)
    world.lives.freshness.failed(stuck, "the broker refuses it")
    for _ in range(3):
        world.advance(TTL_MS // 4)
        for key in KEYS[1:]:
            world.look(key)
        said = {life.life: life for life in world.give()}
    assert said[name].held_up_by == "home for s0: the broker refuses it"
    assert said[name].expires_at == NOON + TTL_MS, "as long as the key that is late"
    others = {key for key in KEYS if world.lives.name_of(key) == name}
    assert set(world.due) == others and len(others) > 1
    assert all(life.expires_at == world.true + TTL_MS for life in said.values() if life.life != name)
    assert world.metrics.value("reshelf_layouts_overdue") == 1
    assert world.metrics.value("reshelf_layout_lives_total", "held_up") == 1
    for key in KEYS:
        latest, now = world.catalog.latest_layout(key), world.true
        assert (world.lives.renewal(key, latest, now) <= now) is (key in others)
    world.look(stuck)
    (whole,) = [life for life in world.give() if life.life == name]
    assert (whole.held_up_by, whole.expires_at) == ("", world.true + TTL_MS)


def test_layouts_of_another_life_or_none_are_published_again_when_half_of_their_own_is_over() -> None:
    world, key = settled(), KEYS[0]
    now, half = world.true, world.true + TTL_MS // 2
    for life in ("", "other/0/2", f"live/{world.ownership.partition(key)}/4"):
        latest = LatestLayout(9, now, now + TTL_MS, life=life)
        assert world.lives.renewal(key, latest, now) == half
        assert world.lives.renewal(key, latest, half) == half
    named = LatestLayout(9, now - DAY_MS, now - DAY_MS + TTL_MS, life=world.lives.name_of(key))
    assert world.lives.renewal(key, named, now) > now
    off = World(lives=False)
    assert off.lives.name_of(key) == ""
    assert off.lives.renewal(key, named, now) < now


def test_a_process_that_stood_still_says_nothing_before_it_has_looked_after_all_again() -> None:
    world = settled()
    world.advance(DAY_MS)
    assert [life.expires_at for life in world.give()] == [NOON + TTL_MS] * 2, "both are held up"
    for key in KEYS[:-1]:
        world.look(key)
    late = world.lives.name_of(KEYS[-1])
    assert {life.life for life in world.give() if life.expires_at > world.true} == {
        world.ownership.life(partition) for partition in range(PARTITIONS)
    } - {late}


def test_what_was_looked_after_before_counts_no_more_where_that_may_have_changed() -> None:
    def slept(world: World) -> None:
        world.true += 2 * DAY_MS

    def lost_and_regained(world: World) -> None:
        world.own()
        world.own(0, 1)
        world.advance(int(SETTLE_MS))

    def overruled(world: World) -> None:
        for key in KEYS:
            world.published(key, lost=True)
            world.look(key)
        world.advance(int(SETTLE_MS))

    for happened in (slept, lost_and_regained, overruled):
        world = settled()
        world.advance(1_000)
        for key in KEYS:
            world.look(key)
        happened(world)
        assert {life.expires_at for life in world.give()} <= {NOON + TTL_MS}, happened


@pytest.mark.parametrize("off", [DAY_MS, -DAY_MS])
def test_by_a_clock_that_is_off_nothing_is_said(off: int) -> None:
    world = settled()
    world.advance(TTL_MS // 4)
    world.off = off
    for key in KEYS:
        world.look(key)
    assert world.give() == []
    assert world.metrics.value("reshelf_layout_lives_total", "stopped") == 1
    OBSTACLES.clear()


def test_a_broker_that_takes_no_sign_has_layouts_published_again() -> None:
    world = settled()
    world.fails = StateAttention("not authorized")
    for _ in range(3):
        world.advance(TTL_MS // 4)
        for key in KEYS:
            world.look(key)
        world.give()
    assert set(world.due) == set(KEYS)
    assert world.metrics.value("reshelf_layout_lives_total", "refused") == 3


def test_a_life_that_another_worker_shortened_is_said_again() -> None:
    topics, name = Topics(), "live/0/2"
    assert not topics.put(LAYOUT_LIVES, name.encode(), LayoutLife(name, 1, 900))
    assert topics.put(LAYOUT_LIVES, name.encode(), LayoutLife(name, 1, 800)).lives == {name}
    assert topics.put(LAYOUT_LIVES, name.encode(), None).lives == {name}
    assert not topics.put(LAYOUT_LIVES, b"clock", None)
    assert not topics.invalid


@given(
    st.lists(
        st.tuples(st.sampled_from(["live/0/2", "live/1/2"]), st.none() | st.just(b"{}") | st.integers(0, 9)),
        max_size=20,
    ),
    st.integers(0, 9),
)
def test_a_layout_is_good_until_its_own_end_or_that_of_its_life(
    records: list[tuple[str, bytes | int | None]], own: int
) -> None:
    lives, ends = Lives(), {"": 0}
    for name, value in records:
        if isinstance(value, bytes):
            with pytest.raises(BadRecord):
                lives.take(name, value)
            continue
        before, ends[name] = ends.get(name), value or 0
        went_back = lives.take(name, None if value is None else _sign(name, value))
        assert went_back is (before is not None and lives_before(before, value))
        if value is None:
            del ends[name]
    for name in ("", "live/0/2", "live/1/2"):
        assert lives.end_of(name, own) == max(own, ends.get(name, 0))
    with pytest.raises(BadRecord):
        lives.take("live/0/2", _sign("live/1/2", 3))


def lives_before(before: int, value: int | None) -> bool:
    return value is None or value < before


def _sign(name: str, expires_at: int) -> bytes:
    return b'{"life": "%s", "produced_at": 1, "expires_at": %d}' % (name.encode(), expires_at)
