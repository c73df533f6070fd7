"""The consumer of batches as Faust's transport, and the way from an application to it."""

from __future__ import annotations

from typing import cast

import faust
from faust.transport.drivers.aiokafka import Transport as FaustTransport

from streams.transport.consumer import BatchConsumer


class Transport(FaustTransport):
    """What Faust makes of a broker URL with the scheme `batches`."""

    Consumer = BatchConsumer


def reader(app: faust.App) -> BatchConsumer:
    """The batch consumer of a running application: rewind, is_current, owned, bounds."""
    return cast(BatchConsumer, app.consumer)
