"""The page of verdicts: what became of records, lines and signals, and what to do; `make generated`."""

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
    "return": "A line of the purchase has a quantity or an amount below 0: goods came back, or money. The purchase is "
    "dead-lettered as `invalid`, and what was sold stays counted. Send what goes back to `events-returns`, with "
    "amounts above 0 (docs/start/producing.md).",
    "repeated": "All that the event says was reported before under another event_id: its slots of this page view, its "
    "click on a slot, or its lines of the order. Usual for pages that are scrolled back or restored, and for thank-you "
    "pages that are loaded again. Many of them tell of a page_view_id or order_id that is not new where it should be.",
    "undeclared": "Attribution had credited a signal of a kind that this namespace does not count. Usual for a "
    "namespace that another one's attribution writes for, or from before `reshelf state extend`.",
}
"""What becomes of a record that fits, by the label `verdict` of `reshelf_records_total`."""

LINES: Mapping[str, str] = {
    "credited": "A click on the item comes before the purchase, within the page's window: a conversion is published.",
    "credited_by_log": "As credited, but the click claims to be later than the purchase: it is the log that has it "
    "first. The clocks of web tier and checkout differ, by no more than `fold.max_clock_skew_ms`. Let NTP set them: "
    "`reshelf_event_clock_seconds` and `reshelf doctor` say which is off.",
    "unattributed_after_purchase": "The visitor has clicked the item, but by clock and log only after the purchase. "
    "Usual for few; if it is many, the clocks of web tier and checkout differ by more than `fold.max_clock_skew_ms`, "
    "or clicks are sent later than purchases.",
    "unattributed_repeated": "The line was credited before: its order was reported again, with another event id. Usual "
    "where thank-you pages are loaded again, and where orders are amended.",
    "unattributed_no_click": "The visitor has clicked nothing in the window. Usual for people who search or come from "
    "elsewhere; if it is all of them, compare `unit` in clicks and purchases, and the clocks of both.",
    "unattributed_parent_clicked": "The visitor has clicked an item whose id is the beginning of the one that was "
    "bought (`shirt-1` of `shirt-1-red`), as where pages show parents and checkouts sell variants. Parents and "
    "variants are different items: send the same `family` in clicks and lines, or one of the two in both "
    "(docs/start/producing.md).",
    "unattributed_other_item": "The visitor has clicked other items only. Usual; if it is most of them, compare the "
    "ids of items in clicks and purchases: a shop that sells variants may click the parent, and sends a `family`.",
    "unattributed_outside_window": "The visitor has clicked the item, but too long before the purchase. "
    "Compare the page's `attribution_window` with how long people take.",
}
"""What becomes of a line of a purchase, by the label `verdict` of `reshelf_purchase_lines_total`."""

SIGNALS: Mapping[str, str] = {
    "credited": "A click on the item, or else on its family, comes before the signal, within the page's window: a "
    "credit is published.",
    "repeated": "The click has a signal of this kind already: each click counts one of each kind. Usual for carts that "
    "people come back to.",
    "undeclared": "The kind is not among those that this namespace counts, or was not when the signal was sent. "
    "Add it to `fold.signals` and run `reshelf state extend`, or send it no more; what was sent before does not count.",
    "unattributed_after_purchase": "The visitor has clicked the item, but by clock and log only after the signal. "
    "Usual for few; if it is many, the clocks of those who send clicks and signals differ by more than "
    "`fold.max_clock_skew_ms`.",
    "unattributed_no_click": "The visitor has clicked nothing in the window. Usual for `view`, as people come from "
    "searches; if it is all of them, compare `unit` in clicks and signals.",
    "unattributed_parent_clicked": "The visitor has clicked an item whose id is the beginning of the signal's "
    "(`shirt-1` of `shirt-1-red`). Send the same level in both, or a `family` in both.",
    "unattributed_other_item": "The visitor has clicked other items only. Usual; if it is most of them, compare the "
    "ids of items, and the `family`, in clicks and signals.",
    "unattributed_outside_window": "The visitor has clicked the item, but too long before the signal. Compare the "
    "page's `attribution_window` with how long people take.",
}
"""What becomes of a signal, by the label `verdict` of `reshelf_signals_total`."""

RETURNED: Mapping[str, str] = {
    "credited": "The order's line was credited to a click, which the return is taken from: a credit is published.",
    "repeated": "The line of that return was credited before: it was reported again, with another event id.",
    "unknown_order": "No line of that order, item and `nth` was credited to a click of this unit. Usual for orders "
    "that came without a click, or longer ago than `attribution.returns_ms`. If it is nearly all, compare `unit`, "
    "`order_id` and `item` with those of the purchase: a tier keeps the unit with the order. A return that is appended "
    "before its order, by more than `attribution.grace_ms`, is of an unknown order, too.",
}
"""What becomes of a returned line, by the label `verdict` of `reshelf_returned_lines_total`."""

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
        ("Signals", "`reshelf_signals_total`, label `verdict`", SIGNALS),
        ("Returned lines", "`reshelf_returned_lines_total`, label `verdict`", RETURNED),
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
