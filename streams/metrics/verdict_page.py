"""The page of verdicts: what became of a record or of a line of a purchase, and what to do; `make generated`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from schemas.dead_letters import REASONS

RECORDS: Mapping[str, str] = {
    "applied": "The event counts.",
    "duplicate": "An event with this id was read before on the partition, within the window of duplicates. That is "
    "what should become of an event that is sent again; many of them tell of a producer that sends all twice.",
    "forgotten": "The visitor was deleted with `reshelf forget` after the event happened, so nothing of it is counted.",
    "robot": "The unit has more impressions or clicks within `fold.duplicate_window_ms` than people have "
    "(`fold.unit_impressions`, `fold.unit_clicks`). Look for crawlers and monitoring; raise the settings if they are "
    "people.",
    "repeated": "All that the event says was reported before under another event_id: its slots of this page view, its "
    "click on a slot, or its lines of the order. Usual for pages that are scrolled back or restored, and for thank-you "
    "pages that are loaded again. Many of them tell of a page_view_id or order_id that is not new where it should be.",
}
"""What becomes of a record that fits, by the label `verdict` of `reshelf_records_total`."""

LINES: Mapping[str, str] = {
    "credited": "A click on the item comes before the purchase, within the page's window: a conversion is published.",
    "unattributed_no_click": "The visitor has clicked nothing in the window. Usual for people who search or come from "
    "elsewhere; if it is all of them, compare `unit` in clicks and purchases, and the clocks of both.",
    "unattributed_other_item": "The visitor has clicked other items only. Usual; if it is most of them, compare the "
    "ids of items in clicks and purchases: a shop that sells variants may click the parent.",
    "unattributed_outside_window": "The visitor has clicked the item, but too long before or after the purchase. "
    "Compare the page's `attribution_window` with how long people take, and the clocks of web tier and checkout.",
}
"""What becomes of a line of a purchase, by the label `verdict` of `reshelf_purchase_lines_total`."""

HEAD = """# What became of a record

`make generated` writes this page from the code.
"""


def written() -> str:
    """The page, as Markdown."""
    parts = (
        ("Records that count, or are left out", "`reshelf_records_total`, label `verdict`", RECORDS),
        (
            "Records that were refused",
            "`reshelf_dead_letters_total`, label `reason`; whole on the topic `dead-letters`, and in the console",
            REASONS,
        ),
        ("Lines of purchases", "`reshelf_purchase_lines_total`, label `verdict`", LINES),
    )
    return HEAD + "".join(map(_part, parts))


def _part(part: tuple[str, str, Mapping[str, str]]) -> str:
    title, place, texts = part
    rows = [f"| `{name}` | {text} |" for name, text in texts.items()]
    return (
        "\n".join(["", f"## {title}", "", f"{place}.", "", "| | meaning, and what to do |", "|---|---|", *rows]) + "\n"
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(written(), encoding="utf-8")
