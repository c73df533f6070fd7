"""What was composed stays what is composed, with the compiled code and without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from policy.slates.compiled import BUILT
from tests.policy.composed_pages import digests

ROOT = Path(__file__).parents[2]
RECORDED = [
    "59327854f213d7be",
    "8782731e5cba8f34",
    "be3aa1dc0cb2452e",
    "952cb284784a01f3",
    "ce10b1eb48340541",
    "b265cfb56ebe9bca",
    "be4fb24e54bf66e2",
    "b9dda6d912459a7d",
    "be54eb0ebdc6cd8b",
    "191d9df6f62655e3",
    "7c321f449bc0d01b",
    "40cbeb91ad139cba",
    "ef5a1cb98fd55a48",
    "57ee2c1c596c6d1a",
    "f27cac5cd1f5be2b",
    "23d12ea4011f57e7",
]
"""By batch; a change that is meant to compose other layouts records anew: `python -m tests.policy.composed_pages`."""
WITHOUT_SCAN = """
import json, sys
sys.modules["policy.slates.scan"] = None
from tests.policy.composed_pages import digests
from policy.slates.compiled import BUILT
assert not BUILT
print(json.dumps(digests()))
"""


@pytest.mark.skipif(not BUILT, reason="no C compiler was at hand when this was installed")
def test_compiled_code_composes_what_was_recorded() -> None:
    assert digests() == RECORDED


def test_numpy_composes_what_was_recorded() -> None:
    other = subprocess.run([sys.executable, "-c", WITHOUT_SCAN], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(other.stdout) == RECORDED
