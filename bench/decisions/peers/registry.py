"""The peers by name, each with the settings it is tuned over."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.decisions.peers.trials import Options
from policy.simulation.race import Learner
from policy.simulation.shop import Shape


class Peer(NamedTuple):
    """Module and class of a peer, its settings, and whether it is told what items are like."""

    module: str
    kind: str
    settings: Sequence[Options]
    described: bool = True


def _grid(**values: Sequence[float]) -> list[Options]:
    grid: list[dict[str, float]] = [{}]
    for name, several in values.items():
        grid = [{**options, name: value} for options in grid for value in several]
    return list(grid)


PEERS: Mapping[str, Peer] = {
    "most-popular": Peer("counting", "MostPopular", _grid(trials=(20.0, 100.0, 400.0)), described=False),
    "epsilon-greedy": Peer(
        "counting", "EpsilonGreedy", _grid(epsilon=(0.02, 0.1), trials=(50.0, 200.0)), described=False
    ),
    "pessimistic-ts": Peer("counting", "PessimisticSampling", [{}], described=False),
    "bayesianbandits": Peer("bayesian", "SharedRegression", _grid(alpha=(3.0, 10.0, 30.0))),
    "mabwiser-ts": Peer("sampling", "MabwiserSampling", [{}], described=False),
    "mabwiser-linucb": Peer("linear", "LinUcb", _grid(alpha=(0.0, 0.05, 0.2), l2=(1.0, 10.0))),
    "mabwiser-lints": Peer("linear", "LinTs", _grid(alpha=(0.02, 0.05), l2=(1.0, 10.0))),
    "pybandits-ts": Peer("pybandits", "PybanditsSampling", [{}], described=False),
    "vw-cb-explore-adf": Peer(
        "vowpal", "CbExploreAdf", _grid(gamma_scale=(1_000.0, 10_000.0), learning_rate=(0.002, 0.01, 0.05))
    ),
    "vw-ccb-explore-adf": Peer("vowpal", "CcbExploreAdf", _grid(gamma_scale=(10_000.0,), learning_rate=(0.05,))),
}


def learner(name: str, shape: Shape, corrected: bool, seed: int, options: Options, *, text: bool) -> Learner:
    """A peer without any feedback yet; its library is imported now."""
    peer = PEERS[name]
    kind = getattr(importlib.import_module(f"bench.decisions.peers.{peer.module}"), peer.kind)
    bandit: Learner = kind(shape, corrected, seed, options, text=text)
    return bandit
