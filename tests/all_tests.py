"""Tests that are run when all are asked for: before a release, and after a change of what they are about."""

from __future__ import annotations

import os

import pytest

ALL = "RESHELF_TEST_ALL"
ALL_TESTS = os.environ.get(ALL) == "1"
"""Whether they are asked for; what takes long is looked at more thoroughly then."""
if_all = pytest.mark.skipif(
    not ALL_TESTS, reason=f"all tests together take too long: `{ALL}=1 make test` runs these, too"
)
