"""`reshelf bench`: measurements that anyone can run again.

- `console`: `reshelf bench console`: what the Arms page takes of a processor
- `decisions`: `reshelf bench decisions`: what is lost until it is learned what sells, beside other
  libraries
- `edge`: `reshelf bench edge`: layouts a second over HTTP
- `encode`: `reshelf bench encode`: texts a second, beside sentence-transformers; or a stream of
  item updates
- `latency`: `reshelf bench latency`: how soon a click is in a layout
- `layout`: `reshelf bench layout`: one layout with all rules on
- `ope`: `reshelf bench ope`: whether the intervals of evaluation and experiments keep their word
- `pipeline`: `reshelf bench pipeline`: events per second from the log into the state
- `renderer`: `reshelf bench renderer`: what a page renderer pays for a layout
- `replay`: `reshelf bench replay`: how fast the state is rebuilt from the log
- `scale`: `reshelf bench scale`: how costs grow with keys, items and slots
- `stages`: `reshelf bench stages`: what each step from the log to the state costs
"""

from __future__ import annotations

import click

from bench.cli.console import console
from bench.cli.decisions import decisions
from bench.cli.edge import edge
from bench.cli.encode import encode
from bench.cli.latency import latency
from bench.cli.layout import layout
from bench.cli.ope import ope
from bench.cli.pipeline import pipeline
from bench.cli.renderer import renderer
from bench.cli.replay import replay
from bench.cli.scale import scale
from bench.cli.stages import stages

__all__ = ["bench"]


@click.group()
def bench() -> None:
    """Measure how fast Reshelf is on this machine.

    Each measurement warms up first and answers with medians over its rounds.
    """


for measurement in (pipeline, stages, latency, replay, scale, layout, renderer, ope, edge, console, decisions, encode):
    bench.add_command(measurement)
