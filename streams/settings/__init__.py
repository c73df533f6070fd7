"""Settings of the stream workers and of what they share with other programs, in typed groups.

The command line fills these from environment, file and defaults; a worker gets
them whole and never reads the environment itself.

- `connections`: how to reach the brokers and Redis, and where a worker's health is served
- `credentials`: user and password out of an address, so that what shows the address shows no secret
- `group`: a group of settings, and copies of one with changes
- `shop`: what is so for the whole shop: its time zone
- `work`: how events are judged and counted, and how learner and attribution work
"""

from streams.settings.connections import NAMESPACE, HealthSettings, KafkaSettings, RedisSettings
from streams.settings.group import Changeable, Group, NotNegative, Positive
from streams.settings.shop import ShopSettings
from streams.settings.work import DAY_MS, HOUR_MS, AttributionSettings, FoldSettings, LearnerSettings

__all__ = [
    "DAY_MS",
    "HOUR_MS",
    "NAMESPACE",
    "AttributionSettings",
    "Changeable",
    "FoldSettings",
    "Group",
    "HealthSettings",
    "KafkaSettings",
    "LearnerSettings",
    "NotNegative",
    "Positive",
    "RedisSettings",
    "ShopSettings",
]
