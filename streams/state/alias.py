"""Which namespace a name stands for: how live workers are switched to a state that was replayed.

Workers look their namespace's name up when they start, and once a second while
they run; when it stands for another, they end, for their supervisor to start them
again.  Each namespace has watermarks of its own, so nothing is lost or counted twice:
the new one goes on from where it stands.
"""

from __future__ import annotations

from redis.asyncio import Redis

from schemas.errors import BadSettings
from streams.state.connection.errors import translate_errors
from streams.state.keys import PREFIX


def alias_key(name: str) -> str:
    """Where it is kept what a name stands for."""
    return f"{PREFIX}{{{name}}}:alias"


async def resolve(redis: Redis, name: str) -> str:
    """The namespace that a name stands for: itself, unless it was switched; raises `Transient`."""
    found = await translate_errors(lambda: redis.get(alias_key(name)))
    return found.decode() if isinstance(found, bytes) else name


async def switch(redis: Redis, name: str, namespace: str) -> str:
    """Let a name stand for a namespace from now on; gives the one before.

    Raises `BadSettings` where the namespace's own name was switched too: a name must
    lead to a namespace in one step.
    """
    if namespace != name and (other := await resolve(redis, namespace)) != namespace:
        raise BadSettings(f"{namespace!r} itself stands for {other!r}: name that one")
    before = await resolve(redis, name)
    if namespace == name:
        await translate_errors(lambda: redis.delete(alias_key(name)))
    else:
        await translate_errors(lambda: redis.set(alias_key(name), namespace))
    return before
