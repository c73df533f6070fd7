"""The console's server: its pages, and the content of each as JSON.

A page asks for its content about twice a second, in place of a stream that stays
open: it comes back by itself after sleep, proxies and restarts, and a browser tab
that is not looked at asks for nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import web

from reshelf.console.access_control import COOKIE, PERSON, AccessControl
from reshelf.console.language import DEFAULT, Refusal, answered, as_json, language_of
from reshelf.console.live_view import LiveView, State, live_view
from reshelf.console.notices.rounds import watch
from reshelf.console.routes import require_roles
from reshelf.console.static_files import page, static
from reshelf.console.views.arms import arms
from reshelf.console.views.drafts import drafted, previewed
from reshelf.console.views.experiment import experiment
from reshelf.console.views.explanation import why, why_shelf
from reshelf.console.views.metrics import counted, of_pulse
from reshelf.console.views.pipeline import pipeline, warnings
from reshelf.console.views.planning.rule_earnings import RuleEarnings, rules_report
from reshelf.console.views.planning.saved_drafts import approved, deleted, listed, opened, saved
from reshelf.console.views.planning.timeline import calendar, item_timeline
from reshelf.console.views.rules import checked, published, rules_content, taken_back
from reshelf.console.views.segments import segments
from reshelf.console.views.shop import shop, titled
from reshelf.console.views.start import start
from reshelf.inspect.trials.pages import VISITOR
from reshelf.numbers import number
from reshelf.people.file import pass_of, read_people, require_names
from reshelf.people.person import Person
from reshelf.rules.topic import Overtaken
from reshelf.service_settings import ConsoleSettings, require_channels
from reshelf.settings import Settings
from reshelf.words.read import sentence_of
from reshelf.words.said import plain, say
from schemas.errors import BadSettings, ReshelfError
from schemas.messages.pages import PageRules
from streams.cancellation import cancel_all
from streams.fold.deltas import WHOLE_PAGE
from streams.metrics import CONTENT_TYPE, REGISTRY, exposition

LONGEST, LONGEST_ITEM = 64, 128
BODY_BYTES = 2_000_000
ANSWER_S = 4.0
"""A page is told after so long that Redis does not answer, rather than left to wait."""

Answer = Callable[[web.Request], Awaitable[Any]]
Write = Callable[[LiveView, Mapping[str, Any]], dict[str, Any]]
AsyncWrite = Callable[[LiveView, Mapping[str, Any]], Awaitable[dict[str, Any]]]


class Console:
    """Answers for what a `LiveView` sees."""

    def __init__(self, view: LiveView, guard: AccessControl) -> None:
        self._view = view
        self._guard = guard
        self._rule_earnings = RuleEarnings(partial(rules_report, view))

    def app(self) -> web.Application:
        """The application with all its addresses."""
        app = web.Application(middlewares=[counted, self._guard.check], client_max_size=BODY_BYTES)
        language = app[DEFAULT] = self._view.settings.console.language
        app.router.add_get("/", page("index.html", language))
        app.router.add_get("/login", page("login.html", language))
        app.router.add_get("/metrics", self._metrics)
        app.router.add_post("/login", self._login)
        app.router.add_get("/static/{name}", static)
        for name, answer in self._answers().items():
            app.router.add_get(f"/api/{name}", _handler(answer))
        writes = {"check": checked, "draft": drafted, "publish": published, "roll-back": taken_back}
        for name, write in writes.items():
            app.router.add_post(f"/api/rules/{name}", self._written(_in_a_thread(write)))
        for name, write in (("save", saved), ("delete", deleted), ("approve", approved)):
            app.router.add_post(f"/api/drafts/{name}", self._written(_in_a_thread(write)))
        app.router.add_post("/api/rules/preview", self._written(previewed))
        return require_roles(app)

    def _answers(self) -> Mapping[str, Answer]:
        return {
            "pages": self._pages,
            "start": self._start,
            "shop": self._shop,
            "arms": self._arms,
            "experiment": self._experiment,
            "pipeline": self._pipeline,
            "why": self._why,
            "rules": self._rules_content,
            "items": self._items,
            "drafts": self._drafts,
            "timeline": self._timeline,
            "calendar": self._calendar,
            "segments": self._segments,
        }

    def _written(self, write: AsyncWrite) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = _signed(await _body(request), request[PERSON])
            try:
                return answered(request, await write(self._view, body))
            except Overtaken as error:
                raise Refusal(409, sentence_of(error)) from None
            except BadSettings as error:
                raise Refusal(400, sentence_of(error)) from None
            except ReshelfError as error:
                raise Refusal(503, sentence_of(error)) from None

        return handle

    async def _login(self, request: web.Request) -> web.Response:
        token = (await _body(request)).get("token")
        if not self._guard.asks or not isinstance(token, str) or self._guard.with_token(token) is None:
            await asyncio.sleep(0.5)
            raise Refusal(403, say("refused.token"))
        response = web.json_response({})
        secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(COOKIE, pass_of(token), httponly=True, samesite="Strict", secure=secure)
        return response

    async def _metrics(self, request: web.Request) -> web.Response:
        samples = (*of_pulse(self._view.monitor), *REGISTRY.samples())
        return web.Response(text=exposition(samples), headers={"Content-Type": CONTENT_TYPE})

    async def _pages(self, request: web.Request) -> dict[str, Any]:
        return {
            "namespace": self._view.namespace,
            "pages": self._view.pages(),
            "most_seen": self._view.most_seen,
            "warnings": warnings(self._view, _now_ms()),
            "two_people": self._view.settings.publishing.two_people,
            "image_hosts": self._view.settings.console.images,
            "person": request[PERSON].name,
            "roles": sorted(request[PERSON].roles),
        }

    async def _start(self, request: web.Request) -> dict[str, Any]:
        return await start(self._view, _now_ms())

    async def _shop(self, request: web.Request) -> dict[str, Any]:
        unit = request.query.get("unit", "")[:128] or VISITOR
        return shop(self._view, self._rules(request).page, _segment(request), unit, _now_ms())

    async def _arms(self, request: web.Request) -> dict[str, Any]:
        return await arms(self._view, self._state(), self._rules(request), _segment(request))

    async def _experiment(self, request: web.Request) -> dict[str, Any]:
        return await experiment(self._view, self._state(), self._rules(request).page, _now_ms())

    async def _why(self, request: web.Request) -> dict[str, Any]:
        cell = request.query.get("slot", ""), request.query.get("item", "")
        rules, shelf = self._rules(request), request.query.get("shelf", "")
        if shelf and rules.has_shelves:
            return dict(await why_shelf(self._view, self._state(), rules, _segment(request), shelf, _now_ms()))
        return dict(await why(self._view, self._state(), rules, _segment(request), cell, _now_ms()))

    async def _rules_content(self, request: web.Request) -> dict[str, Any]:
        rules = self._rules(request)
        content = await asyncio.to_thread(rules_content, self._view, rules)
        # Who moves cards asks for the rules alone: what these earned takes seconds of a processor to work out.
        if "brief" in request.query:
            return content
        return content | {"so_far": self._rule_earnings.of(rules, time.monotonic())}

    async def _drafts(self, request: web.Request) -> dict[str, Any]:
        if name := request.query.get("draft", ""):
            return await asyncio.to_thread(opened, self._view, name)
        person = request[PERSON]
        content = await asyncio.to_thread(listed, self._view)
        return content | {"person": person.name, "roles": sorted(person.roles)}

    async def _timeline(self, request: web.Request) -> dict[str, Any]:
        rules, item = self._rules(request), request.query.get("item", "")[:LONGEST_ITEM]
        return await item_timeline(self._view, rules, _segment(request), item, _now_ms())

    async def _calendar(self, request: web.Request) -> dict[str, Any]:
        return calendar(self._view, _now_ms())

    async def _segments(self, request: web.Request) -> dict[str, Any]:
        return await segments(self._view)

    async def _items(self, request: web.Request) -> dict[str, Any]:
        return await titled(self._view, self._rules(request).page, request.query.get("q", "")[:LONGEST])

    async def _pipeline(self, request: web.Request) -> dict[str, Any]:
        return pipeline(self._view, _now_ms())

    def _rules(self, request: web.Request) -> PageRules:
        page = request.query.get("page", "")
        rules = self._view.catalog.rules.get(page)
        if rules is None:
            declared = ", ".join(sorted(self._view.catalog.rules)) or say("refused.none-yet")
            raise Refusal(404, say("refused.page", page=plain(page), pages=declared))
        return rules

    def _state(self) -> State:
        if self._view.state is None:
            raise Refusal(503, say("refused.state"))
        return self._view.state


@contextlib.asynccontextmanager
async def served(settings: Settings, ended: asyncio.Future[None]) -> AsyncIterator[str]:
    """Serve at the address that is given while the block runs; `ended` fails when the console cannot go on.

    A broker that is away is waited for.  Raises BadSettings for an address that cannot be used and for
    topics that are missing.
    """
    require_channels(settings.notices)
    people = await asyncio.to_thread(read_people, settings.publishing.people)
    require_names(settings.publishing, people)
    guard = AccessControl(settings.console, people)

    def failed(error: BaseException) -> None:
        if not ended.done():
            ended.set_exception(error)

    async with contextlib.AsyncExitStack() as stack:
        view = await stack.enter_async_context(live_view(settings, failed))
        telling = asyncio.create_task(watch(view, settings.notices))
        stack.push_async_callback(cancel_all, [telling])
        runner = web.AppRunner(Console(view, guard).app(), access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        yield await _listen(runner, settings.console)


async def _listen(runner: web.AppRunner, settings: ConsoleSettings) -> str:
    site = web.TCPSite(runner, settings.host, settings.port)
    try:
        await site.start()
    except (OSError, OverflowError) as error:
        raise BadSettings(
            f"console: expected a free port, got {settings.host}:{settings.port}: {error}. "
            "Set console.port to another, or to 0 for any."
        ) from None
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{runner.addresses[0][1]}/"


def _in_a_thread(write: Write) -> AsyncWrite:
    async def written(view: LiveView, body: Mapping[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(write, view, body)

    return written


def _handler(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The answer as JSON; what the browser has already is not sent again."""

    async def handle(request: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(ANSWER_S):
                content = await answer(request)
        except TimeoutError:
            raise Refusal(503, say("refused.redis", seconds=number(ANSWER_S))) from None
        except ReshelfError as error:
            raise Refusal(503, sentence_of(error)) from None
        body = as_json(content, language_of(request))
        tag = blake2b(body, digest_size=12).hexdigest()
        if request.headers.get("If-None-Match") == f'"{tag}"':
            return web.Response(status=304, headers={"ETag": f'"{tag}"'})
        return web.Response(body=body, content_type="application/json", headers={"ETag": f'"{tag}"'})

    return handle


async def _body(request: web.Request) -> dict[str, Any]:
    content = None
    with contextlib.suppress(orjson.JSONDecodeError):
        content = orjson.loads(await request.read())
    if not isinstance(content, dict):
        raise Refusal(400, say("refused.object"))
    return content


def _signed(body: dict[str, Any], person: Person) -> dict[str, Any]:
    """What a request says, by the name that its token says."""
    return body | {"author": person.name} if person.name else body


def _segment(request: web.Request) -> str:
    return request.query.get("segment", WHOLE_PAGE)[:LONGEST] or WHOLE_PAGE


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
