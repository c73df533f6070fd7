"""What the HTTP edge can be told."""

from __future__ import annotations

from pydantic import Field, SecretStr

from streams.settings import Group, Positive


class EdgeSettings(Group):
    """Layouts and events over HTTP, for web tiers without Kafka."""

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen at; beyond loopback with a token only.")
    port: int = Field(8780, ge=0, le=65_535, description="Port; 0 takes a free one.")
    token: SecretStr = Field(SecretStr(""), description="Asked for as `Authorization: Bearer ...` where set.")
    max_bytes: Positive = Field(1_048_576, description="A larger body of POST /events is refused.")
    max_events: Positive = Field(1_000, description="More events in one POST are refused.")
    events_per_s: Positive = Field(20_000, description="Events a second that one client address may send.")
