"""Learned segments end to end: layouts for the model's names, the control of the whole page, names given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
import redis.asyncio

from policy.segments.rule import segment_epoch
from schemas.codec import decoder, encode
from schemas.messages.layouts import Layout
from schemas.messages.pages import Branch, PolicyChoice
from schemas.messages.segments import SegmentModel
from schemas.topics import LAYOUTS_HISTORY, SEGMENTS
from streams.catalog.snapshot import read_catalog
from streams.fitter.segments.records import records_of
from streams.fold.deltas import Traffic
from streams.layouts.compose import compose, stamped
from streams.state.reader import StateReader
from tests.streams.layouts_shop import RULES, Shop, open_shop

__all__ = ["open_shop"]

MODEL = SegmentModel(version=1, generation=1, published_at=1, names=["t01", "t02"], starts=[0, 0], parts=0)
ONE_FOR_ALL = Branch("one-for-all", 0.5, PolicyChoice(variants=2), segment="*")


def publish(shop: Shop, model: SegmentModel) -> None:
    for record in records_of(model, {"i1": [5, -5]}, 1):
        if record.topic == SEGMENTS.name:
            shop.put_raw(SEGMENTS, record.key or b"", record.value)


def test_learned_segments_are_laid_out_with_the_control_of_the_whole_page(
    broker: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(broker)
    shop.declare(msgspec.structs.replace(RULES, version=2, segments="learned", branches=[ONE_FOR_ALL]))
    publish(shop, MODEL)

    async def run() -> None:
        await shop.count("t01", Traffic.LEARNED, 2_000, {"i3": 400})
        await shop.count("t01", Traffic.HOLDOUT, 2_000, {"i4": 100})
        await shop.count("t00", Traffic.HOLDOUT, 2_000, {"i5": 400})
        async with shop.working():
            made = {name: await shop.until(partial(shop.newest, name)) for name in ("*", "t00", "t01", "t02")}
            whole = made.pop("*")
            assert whole.baseline["top"] == "i5" and whole.epoch == 0
            for name, layout in made.items():
                assert (layout.baseline, layout.epoch) == (whole.baseline, segment_epoch(name, 0))
                assert layout.slates[4:] == whole.slates[4:], "those of the whole page"
            assert {slate["top"] for slate in made["t01"].slates[:4]} == {"i3"}
            publish(shop, msgspec.structs.replace(MODEL, version=2, generation=2, names=["t03", "t04"]))
            await shop.until(lambda: shop.newest("t03") and shop.newest("t04"))
            await shop.until(lambda: shop.seen(segment="t01")[-1] is None and shop.seen(segment="t02")[-1] is None)
            assert shop.newest("t00") and shop.newest()
        await made_again(shop, made["t01"])

    asyncio.run(run())


async def made_again(shop: Shop, layout: Layout) -> None:
    """From its counts, its page and the version of the whole page's layout that it names, byte for byte."""
    decode = decoder(Layout)
    versions = [decode(value or b"") for value in shop.seen(LAYOUTS_HISTORY)]
    whole = next(version for version in versions if version.version == layout.whole_version)
    async with redis.asyncio.Redis.from_url(shop.redis.url) as client:
        state = await (await StateReader.open(client, "live")).read("home", layout.segment)
    page = read_catalog(shop.kafka).page("home")
    again = compose(layout.segment, state, page, shop.layouts, layout.epoch, now_ms=layout.decided_at, whole=whole)
    again = msgspec.structs.replace(again, embeddings_position=layout.embeddings_position)  # the topic is empty
    life = layout.expires_at - layout.produced_at
    assert encode(stamped(again, layout.version, layout.produced_at, life, layout.life)) == encode(layout)
