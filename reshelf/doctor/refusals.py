"""What a worker, console or edge with these settings would refuse to start with, found by what they ask themselves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from confluent_kafka import TopicPartition as KafkaPartition
from redis.asyncio import Redis

from reshelf.doctor.finding import Finding
from reshelf.inspect.lag import learned_marks
from reshelf.namespaces.extend import lacking
from reshelf.numbers import number, share
from reshelf.people.file import read_people, require_access, require_names
from reshelf.processes.encoder import installed
from reshelf.service_settings import EncoderSettings, require_channels
from reshelf.settings import Settings
from schemas.errors import BadSettings, StateAttention, Transient
from schemas.topics import CLICKS, DEAD_LETTERS, LAYOUTS_HISTORY, POLICY_PARAMETERS, PURCHASES
from streams.access import required_token
from streams.disk_use import disk_use, nearest
from streams.kafka.bounds import log_bounds
from streams.kafka.reader import read_of, reader
from streams.kafka.records import Batch, Logged, TopicPartition
from streams.locked_folder import clicks_folder, duplicates_folder
from streams.refusals import check_begin, check_end
from streams.settings import KafkaSettings
from streams.state.alias import namespace_of, resolve
from streams.state.clicks.progress import READ, Applied, progress_of
from streams.state.connection.client import redis_client
from streams.state.limits.use import ALARM
from streams.state.manifest import Manifest, NamespaceMissing, check_same, read, without_later
from streams.state.namespace import expected_manifest
from streams.state.watermark import LogCheck, Watermark

OUTPUTS = (DEAD_LETTERS, LAYOUTS_HISTORY, POLICY_PARAMETERS)
SILENT_S = 5.0
Bounds = Mapping[TopicPartition, tuple[int, int]]


def access_findings(settings: Settings) -> Iterator[Finding]:
    """Addresses beyond this machine without a token, which no process listens at; a file of people that is wrong."""
    for group in ("health", "edge"):
        part = getattr(settings, group)
        if group != "health" or part.port:
            try:
                required_token(group, part.host, part.token)
            except BadSettings as error:
                yield Finding(group, "bad", str(error), f"Set it so, or the {group} does not start.")
    try:
        people = read_people(settings.publishing.people)
        require_access(settings.console, people)
        require_names(settings.publishing, people)
    except BadSettings as error:
        yield Finding("console", "bad", str(error), "Mend these settings, or the console does not start.")
    try:
        require_channels(settings.notices)
    except BadSettings as error:
        yield Finding("notices", "bad", str(error), "Mend these settings, or the console does not start.")


def folder_findings(settings: Settings) -> Iterator[Finding]:
    """Whether workers could write on this machine; whether they are to run here only the operator knows."""
    yield from _folder_findings("attribution", clicks_folder(settings.attribution.folder))
    yield from _folder_findings("learner", duplicates_folder(settings.learner.folder))


def _folder_findings(role: str, folder: Path) -> Iterator[Finding]:
    there = nearest(folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        remedy = f"Where {role} is to run on this machine: set {role}.folder to one that may be written to."
        yield Finding(f"{role} folder", "note", f"{_named(folder, there)} cannot be written by this user", remedy)
    elif (use := disk_use(there)).ratio >= ALARM:
        remedy = f"Where {role} runs on this machine: make room, or set {role}.folder to one on another disk."
        yield Finding(
            f"{role} folder", "note", f"the disk of {_named(folder, there)} is {share(use.ratio, 0)} full", remedy
        )


def _named(folder: Path, there: Path) -> str:
    return str(folder) if there == folder else f"{folder} (in {there})"


def encoder_finding(settings: Settings) -> Iterator[Finding]:
    """Whether an encoder would start on this machine, where it has the extra and is not set as it always works."""
    own, default = settings.encoder, EncoderSettings()
    if installed() and (own.model, own.device, own.dtype) != (default.model, default.device, default.dtype):
        from encoders.model import check

        try:
            check(own.model, own.device, own.dtype)
        except BadSettings as error:
            remedy = "Set encoder.model, encoder.device and encoder.dtype so, or run the encoder on another machine."
            yield Finding("encoder", "note", f"would not start on this machine: {error}", remedy)


def look_at_state(settings: Settings) -> Iterator[Finding]:
    """Whether workers with these settings go on from the state that there is; nothing where there is none."""
    try:
        refusals, new = asyncio.run(_refusals(settings))
    except NamespaceMissing:
        return
    for refusal in refusals:
        yield Finding("namespace", "bad", refusal, "Do this first: workers refuse to go on.")
    if new:
        remedy = "Stop the workers, run `reshelf state extend`, and start them again (docs/operating/operating.md)."
        yield Finding("namespace", "note", f"it does not count {', '.join(new)} yet", remedy)
    if not refusals:
        yield Finding("namespace", "ok", f"{asyncio.run(namespace_of(settings.redis))!r} fits settings and log")


async def _refusals(settings: Settings) -> tuple[list[str], list[str]]:
    """Why workers would refuse the namespace, and what it does not count, though the settings would."""
    client = redis_client(settings.redis)
    try:
        own = settings.redis.changed(namespace=await resolve(client, settings.redis.namespace))
        stored = await read(client, own.namespace, settings.redis.namespace)
        expected = await expected_manifest(settings.kafka, own, settings.fold, OUTPUTS)
        refusals = _said([lambda: check_same(stored, expected)])
        same = stored.topics == without_later(expected, stored).topics
        if not refusals and same:
            refusals = await _state_refusals(settings, client, stored)
        return refusals, lacking(stored, expected)
    finally:
        await client.aclose()


async def _state_refusals(settings: Settings, client: Redis, manifest: Manifest) -> list[str]:
    """What learner and attribution say where they take up a partition whose log is another or gone."""
    marks = await learned_marks(client, manifest)
    attributed = [
        await progress_of(client, manifest, number).load() for number in range(len(manifest.starts[PURCHASES.name]))
    ]
    # The log after the state: workers go on meanwhile, and are never beyond the end of a log that is looked at later.
    pairs = await asyncio.to_thread(log_bounds, settings.kafka, list(manifest.starts))
    bounds = {tp: pairs[tp.topic][tp.partition] for tp in manifest.partitions()}
    losing = settings.learner.accept_loss
    newest = {tp: max(of_tp, key=lambda mark: mark.offset) for tp, of_tp in marks.items()}
    decided = [topic for topic in manifest.topics_of(READ) if topic is not CLICKS]
    newest |= {
        TopicPartition(topic.name, at): applied.position.mark(topic.name)
        for at, applied in enumerate(attributed)
        for topic in decided
    }
    return _said(
        [
            *(lambda tp=tp: _check_learned(tp, marks[tp], bounds[tp], losing) for tp in marks),
            *(lambda at=at: _check_attributed(at, attributed[at], bounds, losing) for at in range(len(attributed))),
        ]
    ) or _said(await asyncio.to_thread(_same_log, settings.kafka, newest, bounds))


def _said(checks: Sequence[Callable[[], object]]) -> list[str]:
    """The words of those that raise, each once."""
    said: dict[str, None] = {}
    for check in checks:
        try:
            check()
        except StateAttention as error:
            said[str(error)] = None
    return list(said)


def _check_learned(tp: TopicPartition, marks: Sequence[Watermark], span: tuple[int, int], losing: bool) -> None:
    applied = min(mark.offset for mark in marks)
    check_end(f"the state has applied {tp}", applied, span[1])
    check_begin(str(tp), applied, span[0], losing)


def _check_attributed(number: int, applied: Applied, bounds: Bounds, losing: bool) -> None:
    for topic in READ:
        mark, tp = applied.position.mark(topic.name), TopicPartition(topic.name, number)
        if tp in bounds:
            check_end(f"attribution has read {tp}", mark.offset, bounds[tp][1])
            check_begin(str(tp), max(mark.offset, mark.empty_to), bounds[tp][0], losing)
    for name, place in applied.published.items():
        decided = TopicPartition(name, number)
        check_end(f"attribution has published decisions to {decided}", place, bounds[decided][1])


def _same_log(
    kafka: KafkaSettings, marks: Mapping[TopicPartition, Watermark], bounds: Bounds
) -> list[Callable[[], object]]:
    """A check for each partition of the record before its watermark, where the log still has one."""
    places = [
        KafkaPartition(kafka.prefix + tp.topic, tp.partition, mark.offset - 1)
        for tp, mark in marks.items()
        if mark.last_time >= 0 and bounds[tp][0] < mark.offset
    ]
    checks: list[Callable[[], object]] = []
    with reader(kafka) as consumer:
        consumer.assign(places)
        unread = {(place.topic, place.partition) for place in places}
        while unread and (message := consumer.poll(SILENT_S)) is not None:
            place = message.topic() or "", message.partition() or 0
            if place in unread:
                unread.discard(place)
                if message.error() is None:
                    tp = TopicPartition(place[0].removeprefix(kafka.prefix), place[1])
                    record = Logged(*read_of(message))
                    batch = Batch(tp, record.offset, record.offset + 1, 0, [record])
                    checks.append(lambda batch=batch: LogCheck(batch.tp, [marks[batch.tp]]).check(batch))  # type: ignore[misc]
    if unread:
        name, partition = min(unread)
        raise Transient(f"Kafka showed nothing of {name}/{partition} for {number(SILENT_S)} s")
    return checks
