"""`reshelf bench`: measurements that anyone can run again.

- `decisions`: `reshelf bench decisions`: how many clicks are lost while learning, compared with
  other libraries
- `encode`: `reshelf bench encode`: texts a second, compared with sentence-transformers; or a
  stream of item updates
- `evaluation`: `reshelf bench evaluation`: what it costs to evaluate and export a decision log of
  some length
- `latency`: `reshelf bench latency`: how soon a click is in a layout
- `layout`: `reshelf bench layout`: how long one layout takes with all rules
- `ope`: `reshelf bench ope`: whether the intervals of evaluations and experiments are right as often
  as they claim
- `pipeline`: `reshelf bench pipeline`: events per second from the log into the state
- `replay`: `reshelf bench replay`: how fast the state is rebuilt from the log
- `rules`: `reshelf bench rules`: whether the price that a preview puts on a rule holds what the rule
  truly costs
- `scale`: `reshelf bench scale` and `reshelf bench catalog`: how costs grow with keys, items, slots
  and pages
- `shops`: measurements of whole shops, with every part as a process of its own
- `spread`: `reshelf bench spread`: what an event costs when visitors spread over many keys
- `stages`: `reshelf bench stages`: what each step from the log to the state costs, and
  `reshelf bench attribution`: what a click and a purchase cost, on disk and in memory
- `web`: measurements of what answers over HTTP, and of who reads layouts
"""

from __future__ import annotations

import click

from bench.cli.decisions import decisions
from bench.cli.encode import encode
from bench.cli.evaluation import evaluation
from bench.cli.latency import latency
from bench.cli.layout import layout
from bench.cli.ope import ope
from bench.cli.pipeline import pipeline
from bench.cli.replay import replay
from bench.cli.rules import rules
from bench.cli.scale import catalog, scale
from bench.cli.shops.shop import shop
from bench.cli.shops.soak import soak
from bench.cli.spread import spread
from bench.cli.stages import attribution, stages
from bench.cli.web.console import console
from bench.cli.web.edge import edge
from bench.cli.web.renderer import renderer
from bench.cli.web.segments import segments

__all__ = ["bench"]


@click.group()
def bench() -> None:
    """Measure how fast Reshelf is, and how well it decides, on this machine.

    Each measurement warms up first, and reports medians over its rounds where it has
    rounds.  Most take a minute or two with their defaults; the help of those that take
    longer says how long.  With --broker a measurement starts its own servers, so that
    nothing else on the machine is touched.

    Example: reshelf bench renderer
    """


for measurement in (
    pipeline,
    stages,
    latency,
    replay,
    scale,
    spread,
    catalog,
    shop,
    soak,
    attribution,
    layout,
    renderer,
    ope,
    evaluation,
    edge,
    console,
    segments,
    decisions,
    rules,
    encode,
):
    bench.add_command(measurement)
