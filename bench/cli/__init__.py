"""`reshelf bench`: measurements that anyone can run again."""

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
