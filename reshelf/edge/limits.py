"""How much one client may send: a bucket of tokens for each address."""

from __future__ import annotations

from collections import OrderedDict

MOST_CLIENTS = 10_000


class Limiter:
    """`rate` tokens a second for each client, at most `burst` at once.

    Only the clients seen last are remembered, so memory is bounded; a forgotten one starts full.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str, cost: int, now_s: float) -> float:
        """Take `cost` tokens and give 0, or take none and give the seconds until they will be there.

        A clock that steps back takes nothing away.
        """
        tokens, updated_s = self._clients.pop(client, (self._burst, now_s))
        tokens = min(self._burst, tokens + max(0.0, now_s - updated_s) * self._rate)
        wait = max(0.0, (cost - tokens) / self._rate)
        self._clients[client] = (tokens if wait else tokens - cost, now_s)
        if len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        return wait
