"""`reshelf rules draft`: drafts by name, and approving them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from reshelf.cli.front import Front
from reshelf.cli.pages.signing import AUTHOR, file_text, now_ms, person_of

if TYPE_CHECKING:
    from schemas.messages.drafts import PageDraft


@click.group()
def draft() -> None:
    """Keep drafts of pages' rules by name, and publish those of others by approving them.

    Where publishing.two_people is set, approving a draft is the only way to publish.

    Example: reshelf rules draft list
    """


@draft.command("list")
@click.pass_obj
def list_(front: Front) -> None:
    """List the drafts, and which of them wait for approval.

    Example: reshelf rules draft list
    """
    from reshelf.rules.drafts import drafts

    there = drafts(front.settings.kafka).values()
    lines = [_line(each) for each in there]
    front.answer({"drafts": [_row(each) for each in there]}, "\n".join(lines) or "there are no drafts")


@draft.command()
@click.argument("name")
@click.pass_obj
def show(front: Front, name: str) -> None:
    """Show the file of draft NAME, to check, preview or change it.

    Example: reshelf rules draft show "shoe week"
    """
    from reshelf.rules.drafts import draft_of

    there = draft_of(front.settings.kafka, name)
    front.answer(_row(there) | {"text": there.text}, there.text.rstrip(), file=True)


@draft.command()
@click.argument("name")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@click.option("--reason", default="", help="Why it is to be published.")
@click.option("--ask", is_flag=True, help="Ask for approval; it has to fit then.")
@AUTHOR
@click.pass_obj
def save(front: Front, name: str, file: TextIO, reason: str, ask: bool, author: str | None) -> None:
    """Keep FILE, which holds one page, as draft NAME, in place of the draft of this name.

    Example: reshelf rules draft save "shoe week" home.yaml --ask --reason "shoe week begins on Monday"
    """
    from reshelf.people.person import Role
    from reshelf.rules.drafts import drafts
    from reshelf.rules.drafts import save as keep
    from reshelf.rules.file import read
    from reshelf.rules.segments import SegmentCheck
    from reshelf.rules.topic import newest
    from schemas.errors import BadSettings
    from schemas.messages.drafts import PageDraft

    settings, text = front.settings, file_text(file)
    person = person_of(front, Role.EDIT, author)
    pages = read(text, file.name, settings.shop.zone, SegmentCheck(settings))
    if len(pages) != 1:
        raise BadSettings(f"{file.name}: expected one page in a draft, got {len(pages)}")
    page, there = pages[0].page, drafts(settings.kafka).get(name.strip())
    in_force = newest(settings.kafka).get(page)
    stored = keep(
        settings.kafka,
        PageDraft(
            draft=name,
            page=page,
            revision=there.revision if there else 0,
            text=text,
            version=in_force.version if in_force else 0,
            author=person.name,
            reason=reason,
            asked=ask,
            saved_at=now_ms(),
        ),
    )
    front.answer(_row(stored), _line(stored))


@draft.command()
@click.argument("name")
@AUTHOR
@click.pass_obj
def delete(front: Front, name: str, author: str | None) -> None:
    """Delete draft NAME.

    Example: reshelf rules draft delete "shoe week"
    """
    from reshelf.people.person import Role
    from reshelf.rules.drafts import delete as take_away
    from reshelf.rules.drafts import draft_of

    person_of(front, Role.EDIT, author)
    there = draft_of(front.settings.kafka, name)
    take_away(front.settings.kafka, name, there.revision)
    front.answer({"deleted": name}, f"{name}: deleted; it was of {there.author or 'nobody by name'}")


@draft.command()
@click.argument("name")
@click.option("--revision", type=click.IntRange(min=1), required=True, help="The revision that you looked at.")
@AUTHOR
@click.pass_obj
def approve(front: Front, name: str, revision: int, author: str | None) -> None:
    """Publish draft NAME of somebody else, which waits for approval.

    Example: reshelf rules draft approve "shoe week" --revision 3
    """
    from reshelf.people.person import Role
    from reshelf.rules.drafts import approve as publish_for

    person = person_of(front, Role.APPROVE, author)
    pages = publish_for(front.settings, name, revision, person, now_ms())
    said = [f"{page.page}: version {page.version}, {page.reason}" for page in pages]
    published = [{"page": page.page, "version": page.version} for page in pages]
    front.answer({"published": published}, "\n".join(said) or "nothing differs from what is in force")


def _row(draft: PageDraft) -> dict[str, object]:
    return {
        "draft": draft.draft,
        "page": draft.page,
        "revision": draft.revision,
        "version": draft.version,
        "author": draft.author,
        "reason": draft.reason,
        "asked": draft.asked,
        "saved_at": draft.saved_at,
    }


def _line(draft: PageDraft) -> str:
    waits = ", waits for approval" if draft.asked else ""
    why = f": {draft.reason}" if draft.reason else ""
    return f"{draft.draft} ({draft.page}), revision {draft.revision}, {draft.author}{waits}{why}"
