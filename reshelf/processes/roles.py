"""The roles of a worker by name, each a process of its own, their consumer groups, and the parent that watches them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType
from typing import TYPE_CHECKING

from reshelf.settings import Settings, as_environment
from schemas.errors import ReshelfError
from streams.state.alias import wait_for_namespace, watch_alias

if TYPE_CHECKING:
    import faust

ROLES = ("learner", "attribution", "fitter", "layouts")
_STOP_WAIT_S = 12.0
_WATCH_S = 0.1


class RoleEnded(ReshelfError):
    """A role of the worker ended although nobody stopped it."""


def groups_of(prefix: str, namespace: str) -> dict[str, str]:
    """The role of each consumer group of a namespace's workers; topics' names begin with `prefix`."""
    return {f"{prefix}{role}-{namespace}": role for role in ROLES}


def run_role(
    role: str, settings: Settings, loglevel: str = "INFO", terminated: Callable[[], bool] = lambda: False
) -> int:
    """Run one role in this process until SIGINT or SIGTERM, and give the exit status.

    `terminated` says whether SIGTERM came before this process handled it.  The role ends with
    status 1 when its namespace's name comes to stand for another.
    """
    from streams.transport import end_process, run_app  # Faust takes half a second, and most users want names alone

    app_of = _imported(role)

    async def make() -> faust.App:
        if terminated():
            os.kill(os.getpid(), signal.SIGTERM)
        namespace = await wait_for_namespace(settings.redis)
        watch_alias(settings.redis, namespace, end_process)
        return await app_of(settings.changed(redis={"namespace": namespace}))()

    return run_app(make, settings.health, loglevel)


def _imported(role: str) -> Callable[[Settings], Callable[[], Awaitable[faust.App]]]:
    """How a role's app is made of settings; what the others import takes half a second that it need not wait for."""
    match role:
        case "learner":
            from streams.learner.app import learner_app

            return lambda s: learner_app(s.kafka, s.redis, s.fold, s.learner, layouts=s.layouts)
        case "attribution":
            from streams.attribution.app import attribution_app

            return lambda s: attribution_app(s.kafka, s.redis, s.fold, s.learner, s.attribution)
        case "fitter":
            from streams.fitter.app import fitter_app

            return lambda s: fitter_app(
                s.kafka, s.redis, s.fold, s.layouts, s.fitter, zone=s.shop.zone, segments=s.segments
            )
        case _:
            from streams.layouts.app import layouts_app

            return lambda s: layouts_app(s.kafka, s.redis, s.fold, s.layouts, experiment=s.experiment)


def run_roles(roles: Sequence[str], settings: Settings) -> int:
    """Run roles as processes of their own until SIGINT or SIGTERM.

    Raises `RoleEnded` when one ends by itself, after the others were stopped:
    the supervisor of this process starts all of them again.
    """
    stopping = _Stopping()
    children = {
        # Ctrl-C reaches a process group: we pass it on to the roles, once they listen.
        role: subprocess.Popen(
            _command(role), env=os.environ | as_environment(of_role(settings, number)), process_group=0
        )
        for number, role in enumerate(roles)
    }
    try:
        while not stopping.requested:
            for role, child in children.items():
                if (status := child.poll()) is not None:
                    raise RoleEnded(_ending(role, status))
            time.sleep(_WATCH_S)
        return 0
    finally:
        _stop(list(children.values()))


def _ending(role: str, status: int) -> str:
    if status == 0:
        return (
            f"the {role} ended as if it had been told to (status 0), and not by us: something sent SIGTERM or SIGINT "
            "to its process alone. Stop the worker as a whole, and start it again"
        )
    if status > 0:
        return f"the {role} ended with status {status}; its last lines above say why"
    killed = f"the {role} was killed by {signal.Signals(-status).name}, and not by us"
    return f"{killed}: see whether memory ran out (the kernel's log says so), and start the worker again"


class _Stopping:
    def __init__(self) -> None:
        self.requested = False
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, self._request)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True


def of_role(settings: Settings, number: int) -> Settings:
    """The settings of a role: each reports its health on a port of its own."""
    port = settings.health.port
    if not port:
        return settings
    return settings.changed(health={"port": port + number})


def _command(role: str) -> list[str]:
    return [sys.executable, "-m", "reshelf", "worker", role]


def _stop(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in children:
        child.terminate()
    until = time.monotonic() + _STOP_WAIT_S
    for child in children:
        try:
            child.wait(max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
