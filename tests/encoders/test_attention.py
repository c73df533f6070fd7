"""Keys that are filled up change nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.encoders.conftest import NO_TORCH

torch = pytest.importorskip("torch", reason=NO_TORCH)

from transformers.integrations.sdpa_attention import sdpa_attention_forward  # noqa: E402

from encoders.attention import REGISTER, attend  # noqa: E402


def tables(keys: int, queries: int, seed: int) -> tuple[Any, Any, Any, Any]:
    """Query, key, value and which of the keys each of two texts has, at least one."""
    numbers = torch.Generator().manual_seed(seed)
    query, key, value = (torch.randn(2, 3, size, 8, generator=numbers) for size in (queries, keys, keys))
    lengths = torch.randint(1, keys + 1, (2,), generator=numbers)
    seen = (torch.arange(keys) < lengths[:, None])[:, None, None, :].expand(2, 1, queries, keys)
    return query, key, value, seen


@given(keys=st.integers(1, 70), queries=st.integers(1, 40), seed=st.integers(0, 99), all_seen=st.booleans())
def test_attention_is_the_same_for_every_length(keys: int, queries: int, seed: int, all_seen: bool) -> None:
    query, key, value, seen = tables(keys, queries, seed)
    module, mask = SimpleNamespace(is_causal=False), None if all_seen else seen
    usual, _ = sdpa_attention_forward(module, query, key, value, mask)
    found, _ = attend(module, query, key, value, mask)
    assert torch.allclose(found, usual, atol=1e-5)


@pytest.mark.parametrize("told", [{"is_causal": True}, {"position_bias": torch.randn(2, 3, 21, 21)}])
def test_what_looks_back_or_has_a_bias_stays_as_it_is(told: dict[str, Any]) -> None:
    query, key, value, _ = tables(21, 21, seed=1)
    module = SimpleNamespace(is_causal="is_causal" in told)
    usual, _ = sdpa_attention_forward(module, query, key, value, None, **told)
    found, _ = attend(module, query, key, value, None, **told)
    assert 21 % REGISTER
    assert torch.equal(found, usual)
