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
    "9329672435096100",
    "1531404c51247136",
    "33f902fb5411b2f4",
    "04f03a63d5722e6b",
    "292fb887eab509a9",
    "d6d9cfbe49ce0384",
    "c78b5c012db84435",
    "0fc18094c8a44368",
    "2cc28cf540a931af",
    "99dfa038232b1c49",
    "435fce2e1e3d7f5d",
    "2c4f8903b5f3d32b",
    "e746552becfdc433",
    "0a992c4026bbce73",
    "8d6e22df95cc6a18",
    "67dcb104d359fa15",
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
