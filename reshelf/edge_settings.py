"""Settings of the HTTP edge."""

from __future__ import annotations

from pydantic import Field, SecretStr

from streams.settings import Group, Positive


class EdgeSettings(Group):
    """Layouts and events over HTTP, for web tiers without Kafka."""

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="The address to listen at; any other than a loopback address needs a token.",
    )
    port: int = Field(8780, ge=0, le=65_535, description="The port to listen at; 0: any free port.")
    token: SecretStr = Field(
        SecretStr(""),
        description="The token that requests must send as `Authorization: Bearer ...`; empty: none is needed.",
    )
    max_bytes: Positive = Field(1_048_576, description="The largest body of POST /events that is accepted, in bytes.")
    max_events: Positive = Field(1_000, description="How many events one POST /events may hold.")
    events_per_s: Positive = Field(20_000, description="How many events one client address may send in a second.")
