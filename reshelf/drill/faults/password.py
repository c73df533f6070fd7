"""The password of Redis is changed at once, and nothing lets the old one in any more.

Workers must end with a word about redis.password; the drill starts them again with the new one, as
docs/operating/operating.md says.
"""

from __future__ import annotations

import time

from reshelf.drill.plan import Fault, Heal
from reshelf.drill.setup.environment import Environment
from reshelf.numbers import number

NOTICED_S = 90.0
EXCUSE = "redis.password"


def change_password(environment: Environment, fault: Fault) -> Heal:
    """Change it and cut all connections; healed when no worker has the old one."""
    password = f"drill-{fault.pick}"
    environment.redis.change_password(password)
    environment.settings = environment.settings.changed(redis={"password": password})
    workers = environment.workers
    before = list(workers.members)
    workers.settings = environment.settings
    workers.excuse(EXCUSE)
    until = time.monotonic() + NOTICED_S

    def heal() -> None:
        left = [member for member in before if member.child.poll() is None]
        if left and time.monotonic() < until:
            raise OSError("a worker still has the old password")
        for member in left:
            workers.gave_up.append(
                f"{member.role}: did not notice within {number(NOTICED_S)} s that the password changed"
            )
            workers.kill(member)

    return heal
