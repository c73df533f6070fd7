"""The log in: Faust agents that get batches of one partition, and say when they are applied."""

from streams.transport.app import BatchApp, create_app, end_process, run_app, subscription
from streams.transport.background import guarded, run_in_background
from streams.transport.consumer import BatchConsumer, reader
from streams.transport.wiring import RANGE, ROUND_ROBIN

__all__ = [
    "RANGE",
    "ROUND_ROBIN",
    "BatchApp",
    "BatchConsumer",
    "create_app",
    "end_process",
    "guarded",
    "reader",
    "run_app",
    "run_in_background",
    "subscription",
]
