"""One word for one thing: words that were given up are in no code, setting, message or page any more.

`docs/reference/glossary.md` has the words in use.  A pattern is listed here only where it cannot
be ordinary English: an identifier, an option, a module, or a turn of phrase.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
KINDS = (".py", ".pyx", ".pxi", ".pyi", ".lua", ".js", ".mjs", ".html", ".css", ".md", ".toml", ".yml", ".yaml")
LEFT_OUT = (
    "CHANGELOG.md",
    "tests/test_words.py",
    "schemas/generated/*",
    "schemas/released/*",
)
FOLDERS_LEFT_OUT = ("build", "dist", "node_modules", "__pycache__", "*.egg-info", ".*")
EVERYWHERE = ("*",)
CODE = ("*.py", "*.pyx", "*.pxi", "*.pyi", "*.lua")
PROSE = ("*.md", "*.html", "*/settings.py", "reshelf/commands/*", "reshelf/cli/*", "streams/metrics/table.py")


class GivenUp(NamedTuple):
    """A pattern of a word that was given up, what to say instead, and in which files it is looked for.

    A line in which `allowed` is found means something else by it.
    """

    pattern: str
    say: str
    where: tuple[str, ...] = EVERYWHERE
    allowed: str = ""


def name(*words: str) -> str:
    """Whole words: no letter, digit or underscore before or after."""
    return rf"\b(?:{'|'.join(words)})\b"


def module(package: str, *names: str) -> str:
    """Modules of a package, as a path, with dots, or imported from it."""
    path, either = package.replace(".", "[./]"), "|".join(names)
    return rf"\b{path}[./](?:{either})\b(?!\()|\bfrom {re.escape(package)} import (?:\w+, )*(?:{either})\b"


def made(*classes: str) -> str:
    """Classes, where they are declared, imported or made: at the head of a sentence they are English."""
    either = "|".join(classes)
    return rf"\bclass (?:{either})\b|\bimport [^#\n]*\b(?:{either})\b|\b(?:{either})\(|: (?:{either})\b(?= [=|]|[,)])"


def setting(group: str, *keys: str) -> str:
    """Settings of a group: as keys, in the environment, and where they are declared."""
    either = "|".join(keys)
    return (
        rf"\b{group}\.(?:{either})\b|__(?:{either.upper()})\b"
        rf"|^    (?:{either}): .*= Field\(|Settings\((?:[^()\n]*, )?(?:{either})="
    )


def option(*names: str) -> str:
    """Options of a command line."""
    return rf"(?<![\w-])--(?:{'|'.join(names)})(?![\w-])"


GIVEN_UP = (
    # Writing to topics
    GivenUp(name("[Oo]utlets?", "_outlet"), "producer, LogProducer"),
    GivenUp(
        name("bury", "buries", "buried", "burying", "Bury", "_bury", "_buried"),
        "dead-letter (verb)",
        where=("*.py", "*.pyx", "*.pxi", "*.pyi", "*.lua"),  # pages of merchandisers say it of a boost below 1
        allowed=r"below 1 buries|\bname=\"bury\"|buried ×",
    ),
    GivenUp(module("reshelf.console", "letters") + "|" + name("LARGEST_LETTER", r"\w+\.letter\("), "dead_letters"),
    GivenUp(option("skip-letters"), "--skip-dead-letters"),
    # Waiting and ending
    GivenUp(
        name("[Pp]atience", "_patience", "until_done"),
        "Retry.until_success",
        ("streams/*", "reshelf/*", "bench/*", "tests/*", "docs/*"),  # that of training is the field's word
        allowed=r"Training\(|epochs",
    ),
    GivenUp(module("streams", "ending") + r"|\bawait (?:ended|alone)\(", "cancellation.cancel_all, run_exclusively"),
    GivenUp(module("streams.transport", "unused", "beside") + "|" + name("run_beside"), "faust_stubs, background"),
    # Layouts
    GivenUp(made("Wanted") + "|" + module("streams.learner", "wanted"), "layout_requests.RequestDebouncer"),
    GivenUp(made("Known") + "|" + module("streams.layouts", "known"), "item_features.ItemFeatures"),
    GivenUp(r"\bcatalog\.known\(", "CatalogView.latest_layout"),
    GivenUp(made("Catalog") + "|" + module("streams.layouts", "catalog"), "streams.catalog.view.CatalogView", CODE),
    GivenUp(made("Totals", "TotalsCache") + "|" + module("streams.layouts", "totals"), "WeightedCounts", CODE),
    GivenUp(
        made("Shelf"),
        "CandidateIndex, LayoutCache or Renderer: a shelf is a module of a page",
        ("reshelf/edge/*", "reshelf/demo/*", "streams/layouts/candidates.py", "streams/layouts/catalog.py"),
    ),
    GivenUp(module("reshelf.edge", "shelf") + "|" + module("reshelf.demo", "shelf"), "layout_cache, renderer"),
    GivenUp(made("Guard"), "GuardRail or AccessControl", CODE),
    # The state
    GivenUp(name("carried_out"), "translate_errors"),
    GivenUp(made("Together") + "|" + module("streams.state", "together"), "PipelinedClient", CODE),
    GivenUp(made("Move"), "GroupUpdate", CODE),
    GivenUp(name(r"floors\[", "floors:", "floors is", r"\w+\.floors"), "applied_offsets", ("streams/*",)),
    GivenUp(made("Place"), "Placement for the rule; Cell, TableKey or CellIndex in the state", CODE),
    GivenUp(made("Places"), "Cell, TableKey or CellIndex", ("streams/*",)),
    # The fold
    GivenUp(r"[Ss]hortcut", "fast path", allowed=r"[Kk]eyboard shortcut"),
    GivenUp(name(r"judged\.taken", "taken_by") + "|" + made("Taken"), "fast-path events", CODE),
    GivenUp(name("ASIDE", r"\w+\.aside", "aside: dict") + r"|\b[Pp]ut(?:s|ting)? aside\b", "skipped, or dead-lettered"),
    GivenUp(r"(?i)(?<![a-z])_*unfit(?!ted|ting)", "invalid"),
    GivenUp(module("policy", "noise") + r"|\bNoise is left out\b", "outliers"),
    GivenUp(r"\b_?judge\.learn\(|\bknown\.learn\(", "admit_names, remember", CODE),
    # Modules of the front door
    GivenUp(module("reshelf", "standing"), "lag"),
    GivenUp(module("reshelf", "beliefs"), "posterior_summary"),
    GivenUp(module("reshelf", "parts"), "roles"),
    GivenUp(module("reshelf", "live"), "alias"),
    GivenUp(module("reshelf", "published"), "layouts_topic"),
    GivenUp(module("reshelf", "reading"), "topic_reader"),
    GivenUp(module("reshelf", "outcomes"), "money"),
    GivenUp(module("reshelf", "asking"), "search"),
    GivenUp(module("reshelf", "tables"), "terminal"),
    GivenUp(module("reshelf.console", "sight", "pulse", "past"), "live_view, monitor, layout_history"),
    GivenUp(module("reshelf.drill", "books", "stage", "fleet"), "verify, environment, workers"),
    GivenUp(module("reshelf.rules", "doubts"), "lint"),
    GivenUp(module("reshelf.demo", "leftovers"), "cleanup"),
    GivenUp(made("Order"), "Options", ("reshelf/*.py", "bench/*.py")),
    # Statistics
    GivenUp(r"\.doubts?\b(?! import)|\bdoubts?: (?:float|Floats)\b|\bdoubts?=", "variance", CODE),
    GivenUp(
        name("usual", "usual_port"),
        "default",
        ("policy/*.py", "streams/*.py", "reshelf/*.py"),
        allowed=r"[\"#].*\busual\b|^ *[A-Z].*\busual\b|^ *\w.*\.$",
    ),
    GivenUp(made("Worth") + r"|\bdef worth\(", "Value", ("policy/*", "streams/*", "reshelf/*")),
    GivenUp(
        r"\bposteriors\.kept\b|\bposteriors import [^#\n]*\bkept\b|\b(?:arm|self|statistics)\.kept\b",
        "retained",
        ("policy/*", "streams/*.py", "reshelf/*", "docs/*", "tests/*"),
    ),
    GivenUp(name(r"surprise\("), "log_likelihood_ratio", CODE),
    # Settings and options
    GivenUp(r"\.model_copy\(", "changed(), which refuses unknown names", CODE),
    GivenUp(setting("experiment", "borne_clicks", "borne_orders", "borne_revenue"), "tolerated_loss_*"),
    GivenUp(setting("experiment", "before_ms"), "pre_period_since_ms"),
    GivenUp(setting("layouts", "life_ms"), "ttl_ms"),
    GivenUp(
        setting("(?:layouts|encoder)", "budget"),
        "cpu_share; for the encoder what is limited",
        ("docs/*", "streams/*", "reshelf/*", "tests/streams/*"),
    ),
    GivenUp(setting("encoder", "renew_per_s"), "reencode_per_s"),
    GivenUp(setting("fold", "late_ms"), "allowed_lateness_ms"),
    GivenUp(setting("fold", "early_ms"), "max_clock_skew_ms"),
    GivenUp(setting("kafka", "stuck_s"), "stall_timeout_s"),
    GivenUp(setting("fitter", "implausible_times"), "outlier_factor"),
    GivenUp(setting("fitter", "every_s"), "interval_s"),
    GivenUp(setting("learner", "recent"), "window_records"),
    GivenUp(option("given"), "--external"),
    GivenUp(option("alike"), "--null"),
    GivenUp(option("hostile"), "--fuzz"),
    GivenUp(option("only"), "--faults", ("docs/*", "README*", "reshelf/*", "tests/*")),
    GivenUp(option("settle-s"), "--outcome-wait-s"),
    # Turns of phrase
    GivenUp(r"\btidings\b", "news, or what it says"),
    GivenUp(r"\b[Ss]o (?:long|often|much)\b", "how long, how often, how much", ("*settings.py",)),
    GivenUp(r"\blies? on\b", "is in", PROSE),
    GivenUp(r"\b(?:he|him|his|himself)\b", "they, them, their: a visitor is anybody", PROSE),
)


@cache
def written_files() -> dict[Path, str]:
    """What people wrote, by path relative to the root."""
    found: dict[Path, str] = {}
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(one for one in inner if not any(fnmatch(one, left) for left in FOLDERS_LEFT_OUT))
        for path in (Path(folder, one).relative_to(ROOT) for one in sorted(names)):
            if path.suffix in KINDS and not any(fnmatch(str(path), left) for left in LEFT_OUT):
                found[path] = (ROOT / path).read_text(encoding="utf-8")
    return found


def found_in(one: GivenUp, path: Path, text: str) -> Iterator[str]:
    """Where a word that was given up stands in a file, with what to say instead."""
    if not any(fnmatch(str(path), where) for where in one.where):
        return
    pattern, allowed = re.compile(one.pattern, re.MULTILINE), re.compile(one.allowed) if one.allowed else None
    if not pattern.search(text):
        return
    for number, line in enumerate(text.splitlines(), 1):
        match = pattern.search(line)
        if match and not (allowed and allowed.search(line)):
            yield f"{path}:{number}: {match[0].strip()!r}, say {one.say}: {line.strip()[:100]}"


@pytest.mark.parametrize("one", GIVEN_UP, ids=lambda one: one.say[:40])
def test_words_that_were_given_up_are_gone(one: GivenUp) -> None:
    found = [place for path, text in written_files().items() for place in found_in(one, path, text)]
    assert not found, f"{len(found)} places:\n" + "\n".join(found[:40])


@pytest.mark.parametrize(
    ("line", "say"),
    [
        ("        self._outlet = Outlet(kafka)", "producer, LogProducer"),
        ("from streams.patience import Patience", "Retry.until_success"),
        ("from reshelf.console import letters, web", "dead_letters"),
        ("from reshelf.standing import standings", "lag"),
        ("see `reshelf/drill/books.py`", "verify, environment, workers"),
        ("class UnfitAlarm:", "invalid"),
        ("anything unfit goes to dead-letters", "invalid"),
        ("`layouts.life_ms` (10 minutes)", "ttl_ms"),
        ("RESHELF_LAYOUTS__LIFE_MS=1", "ttl_ms"),
        ("    late_ms: NotNegative = Field(1)", "allowed_lateness_ms"),
        ("fold=FoldSettings(bucket_ms=0, late_ms=5)", "allowed_lateness_ms"),
        ("reshelf demo --seconds 75 --alike", "--null"),
        ("many were put aside", "skipped, or dead-lettered"),
        ("the compiled shortcut", "fast path"),
    ],
)
def test_a_word_is_found_wherever_it_may_stand(line: str, say: str) -> None:
    found = [one.say for one in GIVEN_UP for _ in found_in(one, Path("streams/settings/work.py"), line)]
    assert say in found


@pytest.mark.parametrize(
    "line",
    [
        "the decision is taken once",
        "Known items are skipped",
        "Catalog: what may be shown",
        "Together they say what was shown.",
        "Move idle groups along",
        "Guard-rails are looked at by each layout worker",
        "`fold.bucket_life_ms` and `layouts.allowed_lateness_ms`",
        "pip install --only-binary :all:",
        "the benefit of outfitted, unfitted shelves",
        "a keyboard shortcut opens the page",
        "one letter outside ASCII",
        "all are served alike",
    ],
)
def test_ordinary_english_is_let_pass(line: str) -> None:
    assert not [place for one in GIVEN_UP for place in found_in(one, Path("streams/layouts/app.py"), line)]


def test_a_word_is_looked_for_where_it_is_given_up_and_nowhere_else() -> None:
    one = GivenUp(name("Shelf"), "Renderer", ("reshelf/demo/*",), allowed="page's Shelf")
    assert list(found_in(one, Path("reshelf/demo/run.py"), "\na Shelf")) == [
        "reshelf/demo/run.py:2: 'Shelf', say Renderer: a Shelf"
    ]
    assert not list(found_in(one, Path("schemas/messages.py"), "a Shelf"))
    assert not list(found_in(one, Path("reshelf/demo/run.py"), "the page's Shelf"))


def test_generated_and_foreign_files_are_left_out() -> None:
    files = {str(path) for path in written_files()}
    assert {
        "README.md",
        "streams/settings/work.py",
        "streams/fold/fast/compiled.pyx",
        "reshelf/console/static/main.js",
    } <= files
    assert not any(name.startswith((".venv", "schemas/generated")) or "node_modules" in name for name in files)
    assert "CHANGELOG.md" not in files
