"""The role that each address of the console needs: one table, held against the addresses that there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aiohttp import web

from reshelf.people.person import Role

ROLES: Mapping[tuple[str, str], Role | None] = {
    ("GET", "/login"): None,
    ("POST", "/login"): None,
    ("GET", "/static/{name}"): None,
    ("GET", "/"): Role.LOOK,
    ("GET", "/metrics"): Role.LOOK,
    ("GET", "/api/pages"): Role.LOOK,
    ("GET", "/api/shop"): Role.LOOK,
    ("GET", "/api/arms"): Role.LOOK,
    ("GET", "/api/experiment"): Role.LOOK,
    ("GET", "/api/pipeline"): Role.LOOK,
    ("GET", "/api/timeline"): Role.LOOK,
    ("GET", "/api/calendar"): Role.LOOK,
    ("GET", "/api/why"): Role.LOOK,
    ("GET", "/api/rules"): Role.LOOK,
    ("GET", "/api/items"): Role.LOOK,
    ("GET", "/api/start"): Role.LOOK,
    ("GET", "/api/segments"): Role.LOOK,
    ("POST", "/api/rules/check"): Role.LOOK,
    ("POST", "/api/rules/draft"): Role.LOOK,
    ("POST", "/api/rules/preview"): Role.LOOK,
    ("GET", "/api/drafts"): Role.LOOK,
    ("POST", "/api/drafts/save"): Role.EDIT,
    ("POST", "/api/drafts/delete"): Role.EDIT,
    ("POST", "/api/drafts/approve"): Role.APPROVE,
    ("POST", "/api/rules/publish"): Role.PUBLISH,
    ("POST", "/api/rules/roll-back"): Role.PUBLISH,
}
"""By method and address; None: no token is asked for there."""


def role_needed(request: web.Request) -> Role | None:
    """The role that a request needs; an address that there is none of may be asked for by who may look."""
    resource = request.match_info.route.resource
    if resource is None:
        return Role.LOOK
    return ROLES.get((_method(request.method), resource.canonical), Role.PUBLISH)


def addresses(app: web.Application) -> Iterator[tuple[str, str]]:
    """Method and address of all that an application answers, each once."""
    for route in app.router.routes():
        if route.resource is not None and route.method != "HEAD":
            yield route.method, route.resource.canonical


def require_roles(app: web.Application) -> web.Application:
    """The application itself; raises `LookupError` where an address needs no role that anybody decided on."""
    if unlisted := [" ".join(each) for each in addresses(app) if each not in ROLES]:
        raise LookupError(f"add to reshelf/console/routes.py which role these need: {', '.join(unlisted)}")
    return app


def _method(method: str) -> str:
    return "GET" if method == "HEAD" else method
