"""`reshelf import events`: exports of other trackers as events."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reshelf.cli.front import Front
from reshelf.numbers import number
from schemas.errors import BadSettings

if TYPE_CHECKING:
    from reshelf.datasets.exports import Export
    from reshelf.dialects.action import Items, Options
    from reshelf.settings import Settings
    from schemas.messages.events import Purchase

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option(
    "--dialect",
    required=True,
    type=click.Choice(["ga4", "segment", "snowplow", "shopify"]),
    help="Whose export the files are.",
)
@click.option(
    "--items",
    type=click.Choice(["products", "variants"]),
    default="products",
    show_default=True,
    help="What an item of the catalog is: a product with all its variants, or a variant, whose family is the product.",
)
@click.option(
    "--products",
    type=FILE,
    help="Products of Shopify as JSON lines, as for the catalog: they say the handles of what orders name by number.",
)
@click.option(
    "--orders",
    multiple=True,
    type=FILE,
    help="Earlier orders as JSON lines of events-purchases, such as --output writes: they say whose is what names an "
    "order and no visitor. Those of the topic are known.",
)
@click.option("--segment", default="all", show_default=True, help="The segment of rows that name none.")
@click.option(
    "--learned",
    is_flag=True,
    help="Count rows that name no variant of a layout as learned traffic, so that decisions follow from them; "
    "otherwise they count as the renderer's own fallback, from which nothing is learned.",
)
@click.option(
    "--prefix", help="The prefix of topics for this data alone.  [default: the settings' prefix and the dialect]"
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="A folder for JSON lines, a file for each topic, in place of Kafka.",
)
@click.option("--check", "only_check", is_flag=True, help="Read and report alone, and write nothing.")
@click.pass_obj
def events(
    front: Front,
    files: tuple[Path, ...],
    dialect: str,
    items: Items,
    products: Path | None,
    orders: tuple[Path, ...],
    segment: str,
    learned: bool,
    prefix: str | None,
    output: Path | None,
    only_check: bool,
) -> None:
    """Import what another tracker recorded, from its export as JSON lines (also packed by gzip) or Parquet.

    Rows become impressions, clicks, signals, orders and returns, at their own time and in its
    order.  The answer says how many, and which rows were left out, why, where the first of each
    stands and what to do; docs/start/importing.md has the fields of each dialect.  Events that the topics
    already hold are left out, so importing again changes nothing.

    Example: reshelf import events export.jsonl --dialect ga4 --check
    """
    from reshelf.datasets.exports import Export, require_free
    from reshelf.datasets.importing import own_settings

    if output is not None:
        require_free(output)
    options = _options(front.settings, dialect, items, products, segment, learned)
    own = None if only_check or output is not None else own_settings(front.settings, prefix, dialect)
    with tempfile.TemporaryDirectory(prefix="reshelf-import-") as folder:
        export = Export(dialect, options, Path(folder))
        with progress("rows") as on_row:
            export.read(files, on_row, _before(own, orders))
        if own is not None:
            counts, said = _publish(own, dialect, export)
        elif output is not None and not only_check:
            counts, said = _write(output, export)
        else:
            counts, said = Counter[str](), f"{number(export.count())} events would be imported"
    done = "written" if output is not None else "published"
    content = {"dialect": dialect, done: dict(counts), **export.as_json()}
    front.answer(content, "\n".join([said, *export.lines()]))


def _options(
    settings: Settings, dialect: str, items: Items, products: Path | None, segment: str, learned: bool
) -> Options:
    from reshelf.dialects.action import Options
    from reshelf.dialects.rows import rows
    from reshelf.dialects.shopify.products import handles
    from schemas.messages.fields import FALLBACK

    if products is not None and dialect != "shopify":
        raise BadSettings(f"--products: expected with --dialect shopify, got it with {dialect}")
    if segment == "*":
        raise BadSettings("--segment: expected a segment of visitors, got '*', which stands for all of them together")
    return Options(
        currency=settings.fold.currency,
        items=items,
        signals=settings.fold.signals,
        segment=segment,
        variant=0 if learned else FALLBACK,
        handles=handles(rows(products)) if products else {},
    )


def _write(folder: Path, export: Export) -> tuple[Counter[str], str]:
    from reshelf.datasets.exports import write

    counts = write(folder, export)
    return counts, f"{number(counts.total())} events written to {folder}"


def _before(own: Settings | None, files: tuple[Path, ...]) -> Iterator[Purchase]:
    """Orders that were imported before: those of files, and of the topic that is written to, if any is."""
    from reshelf.datasets.imported import held_orders
    from reshelf.datasets.order_visitors import orders_in

    for file in files:
        yield from orders_in(file)
    if own is not None:
        yield from held_orders(own.kafka)


def _publish(own: Settings, dialect: str, export: Export) -> tuple[Counter[str], str]:
    from reshelf.datasets.exports import publish
    from reshelf.datasets.importing import how_to_learn

    counts = publish(own.kafka, dialect, export)
    replay = f"replay --into {own.redis.namespace[-27:].strip('-')}-past --reattribute"
    return counts, (
        f"{number(counts.total())} events published to {own.kafka.prefix}events-*. To learn from them run\n"
        f"{how_to_learn(own, replay)}"
    )


def nothing() -> None:
    """There is nothing to do for a row, or no child to look after."""


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[], None]]:
    """A function to call for each row; on a terminal it moves a bar."""
    if not sys.stderr.isatty():
        yield nothing
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda: bar.advance(task)
