"""`reshelf bench`: measurements that anyone can run again."""

from __future__ import annotations

import click

from reshelf.commands.bench.console import console
from reshelf.commands.bench.decisions import decisions
from reshelf.commands.bench.edge import edge
from reshelf.commands.bench.encode import encode
from reshelf.commands.bench.latency import latency
from reshelf.commands.bench.layout import layout
from reshelf.commands.bench.ope import ope
from reshelf.commands.bench.pipeline import pipeline
from reshelf.commands.bench.renderer import renderer
from reshelf.commands.bench.replay import replay
from reshelf.commands.bench.scale import scale
from reshelf.commands.bench.stages import stages

__all__ = ["bench"]


@click.group()
def bench() -> None:
    """Measure how fast Reshelf is on this machine.

    Each measurement warms up first and answers with medians over its rounds.
    """


for measurement in (pipeline, stages, latency, replay, scale, layout, renderer, ope, edge, console, decisions, encode):
    bench.add_command(measurement)
