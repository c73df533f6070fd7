"""The size of things: a stranger reads a file in one go, a function on one screen, a folder at a glance."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("schemas", "policy", "encoders", "streams", "reshelf", "bench")
MOST_LINES, MOST_BODY, MOST_MODULES = 300, 40, 12
"""Lines of a file, lines of a function behind its docstring, and modules loose in one package."""
PARTICIPLES = frozenset(("found", "told", "known", "made", "one", "kept"))
"""Names that do not say what a thing is."""
CLOCKS = frozenset(("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "now", "now_ms", "utcnow", "today"))
"""Functions that take the time."""


def sources(*endings: str) -> list[Path]:
    """The sources of all rooms with one of these endings, by path relative to the root."""
    found = (path for room in ROOMS for path in (ROOT / room).rglob("*") if path.suffix in endings)
    return sorted(path.relative_to(ROOT) for path in found)


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from a function's first statement to its last; signature and docstring are for readers."""
    told = ast.get_docstring(function) is not None and len(function.body) > 1
    return (function.end_lineno or 0) - function.body[int(told)].lineno + 1


def functions() -> Iterator[tuple[int, str]]:
    """How long each function is, and where it stands."""
    for path in sources(".py"):
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield body_lines(node), f"{path}:{node.lineno} {node.name}"


def test_files_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = [
        ((ROOT / path).read_text(encoding="utf-8").count("\n"), str(path))
        for path in sources(".py", ".pyx", ".pxi", ".lua")
    ]
    _print(capsys, f"longest file: {max(sizes)}, at most {MOST_LINES} lines")
    assert [one for one in sizes if one[0] > MOST_LINES] == [], "split by subject"


def test_functions_are_short(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = list(functions())
    _print(capsys, f"longest function: {max(sizes)}, at most {MOST_BODY} lines behind its docstring")
    assert [one for one in sizes if one[0] > MOST_BODY] == [], "name a part of it"


def test_packages_are_small(capsys: pytest.CaptureFixture[str]) -> None:
    loose = Counter(str(path.parent) for path in sources(".py") if path.name != "__init__.py")
    shown = ", ".join(f"{package} {count}" for package, count in loose.most_common(5))
    _print(capsys, f"modules loose in a package: {shown}; at most {MOST_MODULES}")
    assert {package: count for package, count in loose.items() if count > MOST_MODULES} == {}, "make a package"


def _print(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


def named(node: ast.AST) -> str:
    """The name that a node declares or uses; empty where there is none."""
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
            return name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
    return ""


def riddles(text: str) -> list[tuple[int, str]]:
    """Line and name of each participle in Python code that stands as a name."""
    nodes = ast.walk(ast.parse(text))
    return sorted({(node.lineno, named(node)) for node in nodes if named(node).strip("_") in PARTICIPLES})  # type: ignore[attr-defined]


def test_names_say_what_a_thing_is() -> None:
    """Comprehensions' variables, keywords and attributes included."""
    folders = (*ROOMS, "tools", "examples")
    paths = sorted(path.relative_to(ROOT) for room in folders for path in (ROOT / room).rglob("*.py"))
    lines = [
        f"{path}:{line} {name}"
        for path in paths
        if "node_modules" not in path.parts
        for line, name in riddles((ROOT / path).read_text(encoding="utf-8"))
    ]
    assert lines == [], "a noun of the field, or a verb and its object"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("found = 1", [(1, "found")]),
        ("[one\n for one in ()]", [(1, "one"), (2, "one")]),
        ("def _told(known): ...", [(1, "_told"), (1, "known")]),
        ("f(kept=self.made)", [(1, "kept"), (1, "made")]),
        ('"found"  # told', []),
        ("foundation = {'found': 1}", []),
    ],
)
def test_participles_are_recognised(text: str, expected: list[tuple[int, str]]) -> None:
    assert riddles(text) == expected


def test_every_package_says_what_is_in_it() -> None:
    """A package's docstring names each module and package in it."""
    missing = []
    for init in (path for path in sources(".py") if path.name == "__init__.py"):
        text = ast.get_docstring(ast.parse((ROOT / init).read_text(encoding="utf-8"))) or ""
        inside = [one.stem for one in (ROOT / init.parent).glob("*.py") if one.name != "__init__.py"]
        inside += [one.parent.name for one in (ROOT / init.parent).glob("*/__init__.py")]
        lacking = sorted(name for name in inside if f"`{name}`" not in text)
        if lacking:
            missing.append(f"{init}: {', '.join(lacking)}")
    assert missing == []


UNPICKLERS = frozenset(("pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "torch"))
"""Modules whose `load` runs what is in a file."""


def unpickled(text: str) -> list[int]:
    """Lines of Python code that load what may be a program: a pickle, or arrays with some in them."""
    lines = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr="load" | "loads" | "open")):
                own = ast.unparse(node.args[0]).startswith("pickle.dumps(") if node.args else False
                tensors = any(
                    each.arg == "weights_only" and ast.unparse(each.value) == "True" for each in node.keywords
                )
                lines += [node.lineno] * (module in UNPICKLERS and not own and not tensors)
            case ast.keyword(arg="allow_pickle" | "trust_remote_code", value=ast.Constant(value=True)):
                lines.append(node.lineno)
    return lines


def test_nothing_is_loaded_that_may_be_a_program() -> None:
    """Models are loaded as tensors alone, and everything else from JSON, YAML's safe part, Parquet or arrays."""
    assert unpickled("pickle.load(f)\ntorch.load(f)\nnp.load(f, allow_pickle=True)\npickle.loads(pickle.dumps(1))") == [
        1, 2, 3,
    ]  # fmt: skip
    paths = [path for path in sources(".py") if path.parts[0] != "bench"]
    lines = [f"{path}:{line}" for path in paths for line in unpickled((ROOT / path).read_text(encoding="utf-8"))]
    assert lines == []


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: of a function its decorators and defaults alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            defaults = filter(None, (*child.args.defaults, *child.args.kw_defaults))
            parts: tuple[ast.AST, ...] = (*child.decorator_list, *defaults)
        else:
            parts = () if isinstance(child, ast.Lambda) else (child,)
        for part in parts:
            yield part
            yield from at_import(part)


def clocks(text: str) -> list[int]:
    """Lines of Python code that take the time when it is imported."""
    calls = (node for node in at_import(ast.parse(text)) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if named(call.func) in CLOCKS]


def test_no_test_takes_the_time_before_it_runs() -> None:
    """A run of all tests imports them minutes before: what was to last for ten is over by then."""
    paths = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
    lines = [f"{path}:{line}" for path in paths for line in clocks((ROOT / path).read_text(encoding="utf-8"))]
    assert lines == [], "take it in the test or in a fixture"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NOW = time.time_ns() // 1_000", [1]),
        ("@case(\n    [date.today()])\ndef test(): ...", [2]),
        ("def made(*, at=time()): ...", [1]),
        ("class Case:\n    at = datetime.now(UTC)", [2]),
        ("def now(): return time.time()", []),
        ("class Case:\n    def test(self): time.monotonic()", []),
        ("now = lambda: time.time()", []),
    ],
)
def test_a_clock_that_is_taken_at_import_is_recognised(text: str, expected: list[int]) -> None:
    assert clocks(text) == expected
