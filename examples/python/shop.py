"""A small web tier: shows pages as their layouts say, and publishes what visitors saw, did and bought."""

from __future__ import annotations

import hmac
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from html import escape
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

import msgspec
import uvicorn
from confluent_kafka import KafkaException
from kafka import Events, Follower, Layouts, Outgoing, Shown
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from tastes import consents, context_of, keep, tastes_of

from schemas.messages.events import (
    Click,
    Impression,
    Purchase,
    PurchaseLine,
    Return,
    ReturnLine,
    Signal,
    SlotItem,
)
from schemas.topics import CLICKS, IMPRESSIONS, PURCHASES, RETURNS, SIGNALS

BOOTSTRAP = os.environ.get("RESHELF_KAFKA__BOOTSTRAP", "127.0.0.1:9092")
PREFIX = os.environ.get("RESHELF_KAFKA__PREFIX", "reshelf-")
PORT = int(os.environ.get("PORT", "8790"))
SCRIPT = Path(__file__).parents[1] / "web" / "visible.js"
YEAR_S = 31_536_000
FALLBACK: dict[str, dict[str, str]] = json.loads(
    os.environ.get("FALLBACK", '{"home": {"home-1": "bestseller", "home-2": "novelty"}}')
)
"""What a page shows without a layout: slot to item."""
ROWS: dict[str, dict[str, list[str]]] = json.loads(os.environ.get("ROWS", "{}"))
"""The slots of rows whose slots are not named row.1, row.2 and so on: page to row to slots."""
FAMILIES: dict[str, str] = json.loads(os.environ.get("FAMILIES", "{}"))
"""What variants have in common, such as their parent: item to family; a real shop asks its catalog."""
BACK_OFFICE = os.environ.get("BACK_OFFICE", "")
"""The token that the back office sends; without one nobody may report returns."""
PAGE = """<!doctype html><title>{title}</title><link rel="icon" href="data:,">
<style>a {{ display: block; margin: 1em; padding: 6em 2em; border: 1px solid }}</style>
<main {data}>{slots}</main><script type="module" src="/visible.js"></script>"""

layouts = Layouts()
events = Events(BOOTSTRAP, PREFIX)
units: dict[str, str] = {}
"""The unit of each order: a return comes without one.  A real shop keeps it in the order's row of its database."""


class Told(msgspec.Struct, tag_field="kind"):
    """What the browser reports of every event: without unit and time, which it is not trusted with."""

    event_id: str
    page: str
    segment: str
    page_view_id: str
    layout_version: int
    variant: int


class Seen(Told, tag="impression"):
    """An impression as the browser reports it."""

    slots: list[SlotItem]
    rows: dict[str, str] = {}


class Clicked(Told, tag="click"):
    """A click as the browser reports it."""

    slot: str
    item: str
    shelf: str = ""


class Signalled(msgspec.Struct, tag_field="kind", tag="signal"):
    """What a visitor did with an item on any page: `signal` is a kind that the settings of Reshelf declare."""

    event_id: str
    signal: str
    item: str


class Order(msgspec.Struct):
    """An order as the checkout reports it."""

    order_id: str
    currency: str
    lines: list[PurchaseLine]


class TakenBack(msgspec.Struct):
    """What went back of an order, as the back office reports it."""

    return_id: str
    order_id: str
    currency: str
    lines: list[ReturnLine]


def observed(report: Seen | Clicked | Signalled, unit: str, now_ms: int, context: dict[str, str]) -> Outgoing:
    """The event of what a browser reported; `context` says whether segments may be learned from it, and with what."""
    reported = {name: value for name, value in msgspec.structs.asdict(report).items() if value not in ({}, "")}
    about = reported | {"occurred_at": now_ms, "unit": unit}
    if isinstance(report, Seen):
        return Outgoing(IMPRESSIONS, msgspec.convert(about, Impression))
    about |= {"family": FAMILIES.get(report.item, ""), "context": context}
    if isinstance(report, Signalled):
        return Outgoing(SIGNALS, msgspec.convert(about | {"kind": report.signal}, Signal))
    return Outgoing(CLICKS, msgspec.convert(about, Click))


def bought(order: Order, unit: str, now_ms: int) -> Outgoing:
    """The event of an order; the order's id makes the event's, so that placing it again counts once."""
    lines = [msgspec.structs.replace(line, family=FAMILIES.get(line.item, "")) for line in order.lines]
    event = Purchase(f"p-{order.order_id}", now_ms, unit, order.order_id, order.currency, lines)
    return Outgoing(PURCHASES, msgspec.convert(msgspec.to_builtins(event), Purchase))


def went_back(report: TakenBack, unit: str, now_ms: int) -> Outgoing:
    """The event of a return, under the unit of its order."""
    about = msgspec.structs.asdict(report) | {"event_id": f"r-{report.return_id}", "occurred_at": now_ms, "unit": unit}
    return Outgoing(RETURNS, msgspec.convert(about, Return))


def link(slot: str, item: str) -> str:
    """An item in its slot."""
    return f'<a href="#" data-slot="{escape(slot)}" data-item="{escape(item)}">{escape(item)}</a>'


def sections(page: str, shown: Shown) -> list[str]:
    """The rows that have a shelf, each with the shelf's title; a row or slot without anything is left out."""
    _, slate, rows = shown.choice
    html = []
    for row, shelf in rows.items():
        named = ROWS.get(page, {}).get(row) or [slot for slot in slate if slot.rpartition(".")[0] == row]
        title = shown.shelves[shelf].title
        head = f"<h2>{escape(title)}</h2>" if title else ""
        links = "".join(link(slot, slate[slot]) for slot in named if slot in slate)
        html.append(f'<section data-row="{escape(row)}" data-shelf="{escape(shelf)}">{head}{links}</section>')
    return html


def looked_at(outgoing: Sequence[Outgoing]) -> list[str]:
    """The items that a visitor looked at by these events: what they clicked on, and what their signals are about."""
    return [each.event.item for each in outgoing if each.topic in (CLICKS, SIGNALS)]


def render(page: str, segment: str, unit: str, now_ms: int) -> str:
    """A page of HTML; slots that the slate of a flat page leaves out are filled from the fallback."""
    fallback = FALLBACK.get(page, {})
    shown = layouts.show(page, segment, unit, now_ms, fallback)
    variant, slate, rows = shown.choice
    data = {"page": page, "segment": segment, "view": uuid4().hex, "version": shown.version, "variant": variant}
    slots = sections(page, shown) if rows else [link(*cell) for cell in (fallback | dict(slate)).items()]
    attributes = " ".join(f'data-{name}="{escape(str(value))}"' for name, value in data.items())
    return PAGE.format(title=escape(page), data=attributes, slots="".join(slots))


async def show(request: Request) -> Response:
    """A page for the visitor of the cookie; a new visitor gets one."""
    cookie = request.cookies.get("unit")
    unit = unquote(cookie) if cookie else uuid4().hex
    page, own, tastes = request.path_params["page"], request.query_params.get("segment", "*"), tastes_of(request)
    segment = layouts.segment_of(page, own, tastes.items, tastes.segment, context_of(request))
    answer = HTMLResponse(render(page, segment, unit, _now_ms()), headers={"Cache-Control": "no-store"})
    if cookie is None:
        answer.set_cookie("unit", quote(unit), max_age=YEAR_S, httponly=True, samesite="lax")
    keep(request, answer, tastes._replace(segment=segment))
    return answer


async def show_item(request: Request) -> Response:
    """The page of an item: whoever opens it looked at it, which is told and remembered."""
    item, unit = request.path_params["item"], unquote(request.cookies.get("unit", ""))
    answer = HTMLResponse(f"<!doctype html><title>{escape(item)}</title>", headers={"Cache-Control": "no-store"})
    if unit and consents(request):
        about = {"event_id": uuid4().hex, "occurred_at": _now_ms(), "unit": unit, "kind": "view", "item": item}
        try:
            more = {"family": FAMILIES.get(item, ""), "context": context_of(request)}
            viewed = msgspec.convert(about | more, Signal)
        except msgspec.ValidationError as error:
            return PlainTextResponse(str(error), 404)
        with suppress(KafkaException, BufferError):  # the page is worth more than what it tells
            await events.send([Outgoing(SIGNALS, viewed)])
    keep(request, answer, tastes_of(request).with_items([item]))
    return answer


async def take(request: Request) -> Response:
    """Publish what a visitor saw and did, or bought; 400 for what is wrong, 503 for what to send again."""
    unit = unquote(request.cookies.get("unit", ""))
    body = await request.body()
    try:
        if request.url.path == "/orders":
            order = msgspec.json.decode(body, type=Order)
            outgoing = [bought(order, unit, _now_ms())]
            units.setdefault(order.order_id, unit)
        else:
            reports = msgspec.json.decode(body, type=list[Seen | Clicked | Signalled])
            outgoing = [observed(report, unit, _now_ms(), context_of(request)) for report in reports]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return PlainTextResponse(str(error), 400)
    answer = await publish(outgoing)
    if items := looked_at(outgoing):
        keep(request, answer, tastes_of(request).with_items(items))
    return answer


async def take_back(request: Request) -> Response:
    """Publish what went back of an order that was placed here; only the back office may report it."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not BACK_OFFICE or not hmac.compare_digest(token.encode(), BACK_OFFICE.encode()):
        return PlainTextResponse("expected the token of the back office", 403)
    try:
        report = msgspec.json.decode(await request.body(), type=TakenBack)
        unit = units.get(report.order_id)
        if unit is None:
            return PlainTextResponse("expected an order that was placed here", 404)
        return await publish([went_back(report, unit, _now_ms())])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return PlainTextResponse(str(error), 400)


async def publish(outgoing: list[Outgoing]) -> Response:
    """204 once all replicas have the events."""
    try:
        await events.send(outgoing)
    except (KafkaException, BufferError):
        return PlainTextResponse("events could not be published", 503)
    return Response(status_code=204)


async def script(_: Request) -> Response:
    """What reports visible slots from the browser."""
    return FileResponse(SCRIPT, media_type="text/javascript")


@asynccontextmanager
async def opened(_: Starlette) -> AsyncIterator[None]:
    """Serve once the layouts were read."""
    with events, Follower(BOOTSTRAP, PREFIX, layouts):
        print(f"Serving at http://127.0.0.1:{PORT}/home?segment=*", flush=True)
        yield


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


app = Starlette(
    lifespan=opened,
    routes=[
        Route("/visible.js", script),
        Route("/events", take, methods=["POST"]),
        Route("/orders", take, methods=["POST"]),
        Route("/returns", take_back, methods=["POST"]),
        Route("/items/{item}", show_item),
        Route("/{page}", show),
    ],
)

if __name__ == "__main__":
    # Bound before anything else, so that nobody is turned away once the address is printed.
    with socket.create_server(("127.0.0.1", PORT)) as listener:
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
