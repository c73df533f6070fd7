"""A worker's copies of directories: bounded by bytes, and those used last stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.learner.held_names import SETTING, expose
from streams.metrics import Registry
from streams.state.arrays.directory import DIRECTORY_BYTES, NAME_BYTES, ROW_BYTES, Directories, Directory

Steps = list[tuple[str, int]]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9))), st.integers(1, 20))
def test_copies_take_what_they_may_and_those_used_last_stay(steps: Steps, limit: int) -> None:
    directories = Directories(limit * (DIRECTORY_BYTES + 3 * (NAME_BYTES + ROW_BYTES)))
    used: list[str] = []
    for key, names in steps:
        directory = directories.get(key)
        for name in range(names):
            directory.row(str(name))
        directories.get(key)
        used = [*(each for each in used if each != key), key]
        held = [each for each in used if each in directories]
        assert held == used[len(used) - len(held) :]
        sizes = [directories.get(each).size for each in held]
        assert directories.bytes == sum(sizes)
        assert directories.bytes <= directories.limit or len(held) == 1


@given(st.lists(st.sampled_from("abc"), min_size=1))
def test_what_is_forgotten_takes_nothing(keys: list[str]) -> None:
    directories = Directories(10 * DIRECTORY_BYTES)
    for key in keys:
        directories.get(key)
    directories.forget([*keys, "never met"])
    assert (directories.bytes, directories.dropped) == (0, 0)


def test_what_is_held_is_told() -> None:
    directories, metrics = Directories(2 * DIRECTORY_BYTES), Registry()
    for key in "abc":
        directories.remember(key, b"")
        expose(directories, metrics)
    values = [metrics.value("reshelf_state_memory_bytes", SETTING, "names")]
    values += [metrics.value("reshelf_state_keys_read_total", SETTING, result) for result in ("read", "evicted")]
    assert values == [2 * DIRECTORY_BYTES, 3, 1]
    assert metrics.value("reshelf_state_memory_limit_bytes", SETTING) == 2 * DIRECTORY_BYTES


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 12), st.booleans())))
def test_directories_of_a_page_share_names_and_no_rows(steps: list[tuple[str, int, bool]]) -> None:
    directories, rows = Directories(), dict[str, list[str]]()
    for key, name, written in steps:
        mine, directory = rows.setdefault(key, []), directories.get(key, "page", "items")
        if str(name) not in mine:
            mine.append(str(name))
        assert directory.row(str(name)) == mine.index(str(name))
        if written:
            directory.written()
    for key, mine in rows.items():
        fresh = Directory()
        for row in mine:
            fresh.row(row)
        again = directories.remember(key, fresh.payload()[8:], directories.get(key, "page", "items").names)
        assert [again.row(row) for row in mine] == list(range(len(mine)))
        assert not again.fresh
