"""Who sees whom, by definition, one pair after the other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.model import Visibility

sizes = st.integers(1, 7)


@given(sizes, st.integers(0, 5), st.integers(0, 9))
def test_visibility_of_patterns_is_what_they_say(queries: int, past: int, window: int) -> None:
    keys = queries + past
    causal, near = Visibility.causal(queries, keys).visible, Visibility.near(queries, keys, window).visible
    itself = Visibility.itself(queries, keys).visible
    assert causal.shape == near.shape == itself.shape == (1, 1, queries, keys)
    for query in range(queries):
        place = past + query  # the last query stands where the last key stands
        for key in range(keys):
            assert causal[0, 0, query, key] == (key <= place)
            assert near[0, 0, query, key] == (abs(key - place) <= window)
            assert itself[0, 0, query, key] == (key == place)


@given(sizes, sizes, st.integers(0, 4), st.integers(0, 2**16))
def test_visibility_combines_as_booleans_do(queries: int, keys: int, memory: int, seed: int) -> None:
    torch.manual_seed(seed)
    one, other = (Visibility(torch.rand(shape) > 0.5) for shape in ((2, 1, 1, keys), (1, 1, queries, keys)))
    both, either, later = (one & other).visible, (one | other).visible, (one & other).after(memory).visible
    assert both.shape == either.shape == (2, 1, queries, keys)
    assert later.shape == (2, 1, queries, memory + keys)
    for row in range(2):
        for query in range(queries):
            for key in range(keys):
                first, second = one.visible[row, 0, 0, key], other.visible[0, 0, query, key]
                assert both[row, 0, query, key] == (first and second)
                assert either[row, 0, query, key] == (first or second)
                assert later[row, 0, query, memory + key] == both[row, 0, query, key]
            assert later[row, 0, query, :memory].all()


@given(st.lists(st.integers(0, 2), min_size=1, max_size=7))
def test_visibility_within_texts_is_between_tokens_of_the_same(documents: list[int]) -> None:
    found = Visibility.within(torch.tensor([documents, documents[::-1]])).visible
    for row, numbers in enumerate((documents, documents[::-1])):
        for query, one in enumerate(numbers):
            for key, other in enumerate(numbers):
                assert found[row, 0, query, key] == (one == other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_visibility_as_a_bias_hides_and_stays_finite(dtype: torch.dtype) -> None:
    bias = Visibility(torch.tensor([[[[True, False, True]]]])).score_bias(dtype)
    assert bias.dtype == dtype
    assert bias[0, 0, 0, 0] == bias[0, 0, 0, 2] == 0
    assert torch.isfinite(bias).all()
    assert torch.isfinite(bias + bias).all()
    weights = (bias + torch.tensor([-30.0, 30.0, 0.0], dtype=dtype)).softmax(-1)
    assert weights[0, 0, 0, 1] == 0
