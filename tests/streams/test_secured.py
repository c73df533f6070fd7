"""Kafka with SCRAM over TLS, and Redis with an ACL user over TLS; certificates are made here."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest
import redis as redis_library
from pydantic import SecretStr

from reshelf.processes.servers import redis_server
from reshelf.topics.admin import apply
from schemas.errors import ReshelfError
from streams.kafka.records import TopicPartition
from streams.settings import KafkaSettings, RedisSettings
from streams.state.connection.client import redis_client, redis_servers
from streams.state.store import GroupUpdate, Store
from streams.state.watermark import Watermark
from tests.streams.sasl_kafka import sasl_kafka
from tests.streams.transport_worker import CLICKS, TP0, Worker, produce, running, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

USER, PASSWORD = "shelf", "a-long-secret"
TP = TopicPartition(CLICKS, 0)


class Certificates(NamedTuple):
    """PEM files: of the authority, of a server on 127.0.0.1, and both parts of the latter in one."""

    authority: Path
    certificate: Path
    key: Path
    both: Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: tests over TLS are skipped")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    fresh = ["-newkey", "rsa:2048", "-nodes", "-sha256"]
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("req", "-x509", *fresh, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=reshelf test")
    openssl("req", *fresh, "-keyout", "key.pem", "-out", "csr.pem", "-subj", "/CN=127.0.0.1")
    sign = ["x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    openssl(*sign, "-out", "cert.pem", "-days", "2", "-extfile", "san")
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return Certificates(folder / "ca.pem", folder / "cert.pem", folder / "key.pem", both)


@pytest.fixture(scope="module")
def secured_kafka(
    kafka_home: Path, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where a real Kafka listens for SCRAM over TLS."""
    properties = ["ssl.keystore.type=PEM", f"ssl.keystore.location={certificates.both}"]
    folder = tmp_path_factory.mktemp("secured")
    with sasl_kafka(kafka_home, folder, "SASL_SSL", USER, PASSWORD, properties) as listeners:
        yield listeners.secure


def kafka_settings(address: str, certificates: Certificates, prefix: str, password: str = PASSWORD) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=address,
        prefix=prefix,
        partitions=1,
        security_protocol="SASL_SSL",
        username=USER,
        password=SecretStr(password),
        ca_file=str(certificates.authority),
    )


@pytest.mark.long
def test_topics_events_and_batches_over_scram_and_tls(
    secured_kafka: str, certificates: Certificates, prefix: str
) -> None:
    kafka = kafka_settings(secured_kafka, certificates, prefix)
    apply(kafka)
    produce(kafka, [b"1", b"2", b"3"], partitions=1)

    async def run() -> Worker:
        worker = Worker(kafka)
        async with running(worker):
            await until(lambda: len(worker.values(TP0)) == 3)
        return worker

    assert asyncio.run(run()).values(TP0) == [b"1", b"2", b"3"]


def test_a_wrong_password_is_refused_and_not_repeated(
    secured_kafka: str, certificates: Certificates, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reshelf.topics.admin.TIMEOUT_S", 3.0)
    with pytest.raises(ReshelfError) as refused:
        apply(kafka_settings(secured_kafka, certificates, prefix, password="not-the-one"))
    assert "not-the-one" not in str(refused.value)


@contextlib.asynccontextmanager
async def encrypted(port: int, certificates: Certificates) -> AsyncIterator[int]:
    """TLS in front of a server that was built without it; gives the port to connect to."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)

    async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await source.read(65_536):
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(copy(reader, outer), copy(inner, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis that lets in one user, and that one only to Reshelf's keys."""
    with redis_server(tmp_path, appendonly=False) as served:
        port = int(served.address.rpartition(":")[2])
        with redis_library.Redis(port=port) as administrator:
            rights = ["~reshelf:*", "+@read", "+@write", "+@scripting", "+@connection", "+info", "+time"]
            administrator.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", *rights)
            administrator.execute_command("ACL", "SETUSER", "default", "off")
            yield port


def test_the_state_over_tls_as_a_user_with_the_rights_that_are_written_down(
    guarded_redis: int, certificates: Certificates
) -> None:
    async def run() -> None:
        async with encrypted(guarded_redis, certificates) as port:
            settings = RedisSettings(
                url=f"rediss://127.0.0.1:{port}/0",
                username=USER,
                password=SecretStr(PASSWORD),
                ca_file=str(certificates.authority),
            )
            await store_and_read(settings)
            assert await asyncio.to_thread(memory, settings) > 0
            with pytest.raises(ReshelfError) as refused:
                await store_and_read(settings.changed(password=SecretStr("not-the-one")))
            assert "not-the-one" not in str(refused.value)

    asyncio.run(run())


async def store_and_read(settings: RedisSettings) -> None:
    client = redis_client(settings)
    try:
        store = Store(client, settings.namespace, settings.groups)
        start = (await store.watermarks(TP, 0))[0].offset
        await store.apply(TP, 0, [GroupUpdate(0, start, Watermark(start + 5))])
        assert (await store.watermarks(TP, 0))[0].offset == start + 5
    finally:
        await client.aclose()


def memory(settings: RedisSettings) -> int:
    with redis_servers(settings) as servers:
        return int(servers["Redis"].info("memory")["used_memory"])
