"""Changed copies of settings: every field is one that there is, and every value is valid."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from reshelf.settings import Settings
from schemas.errors import BadSettings
from streams.settings import FoldSettings, HealthSettings, KafkaSettings, RedisSettings


def test_a_copy_has_the_new_values_and_keeps_the_others() -> None:
    kafka = KafkaSettings(prefix="a-", password=SecretStr("secret"))
    copy = kafka.changed(partitions=3, bootstrap="b:1")
    assert copy == KafkaSettings(prefix="a-", password=SecretStr("secret"), partitions=3, bootstrap="b:1")
    assert kafka == KafkaSettings(prefix="a-", password=SecretStr("secret"))


def test_a_mapping_changes_fields_of_a_group() -> None:
    settings = Settings(kafka=KafkaSettings(partitions=3), redis=RedisSettings(groups=2))
    fold = FoldSettings(currency="USD")
    copy = settings.changed(kafka={"prefix": "a-"}, redis={"namespace": "b"}, fold=fold)
    assert copy == Settings(
        kafka=KafkaSettings(partitions=3, prefix="a-"), redis=RedisSettings(groups=2, namespace="b"), fold=fold
    )


def test_an_unknown_field_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"KafkaSettings has no prefx: expected some of bootstrap, prefix, "):
        KafkaSettings().changed(prefx="a-")
    with pytest.raises(TypeError, match=r"Settings has no kafak: expected some of kafka, redis, "):
        Settings().changed(kafak={"prefix": "a-"})
    with pytest.raises(TypeError, match=r"KafkaSettings has no prefx: "):
        Settings().changed(kafka={"prefx": "a-"})


def test_a_value_is_validated() -> None:
    with pytest.raises(BadSettings, match=r"HealthSettings: port: .*65535"):
        HealthSettings(port=65_535).changed(port=65_536)
    with pytest.raises(BadSettings, match=r"KafkaSettings: prefix: "):
        Settings().changed(kafka={"prefix": "A"})
    with pytest.raises(BadSettings, match=r"RedisSettings: cluster: "):
        RedisSettings(url="redis://a:1,b:2", cluster=True).changed(cluster=False)
