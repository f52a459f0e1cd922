"""Who sees whom, by definition, one pair after the other."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

from fathom.model import Visibility
from fathom.model.visibility import BLOCK, LocalVisibility, first_tokens, random_blocks

sizes = st.integers(1, 7)


@given(sizes, st.integers(0, 5))
def test_visibility_of_patterns_is_what_they_say(queries: int, past: int) -> None:
    keys = queries + past
    causal, itself = Visibility.causal(queries, keys).visible, Visibility.itself(queries, keys).visible
    assert causal.shape == itself.shape == (1, 1, queries, keys)
    for query in range(queries):
        place = past + query  # the last query stands where the last key stands
        for key in range(keys):
            assert causal[0, 0, query, key] == (key <= place)
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


@given(st.integers(1, 12), st.integers(0, 5), st.booleans(), st.booleans(), st.integers(0, 2**16))
def test_local_visibility_is_the_rule_pair_by_pair(length: int, window: int, causal: bool, extras: bool, seed: int) -> None:
    torch.manual_seed(seed)
    padding, documents = torch.rand(2, length) < 0.3, torch.randint(0, 2, (2, length))
    is_global = torch.rand(2, length) < 0.3 if extras else None
    rule = LocalVisibility(length, window, causal, padding, documents, is_global)
    queries = torch.randint(0, length, (2, 3))
    found = rule.seen_from(queries).visible
    assert found.shape == (2, 1, 3, length)
    for row in range(2):
        for number, query in enumerate(queries[row].tolist()):
            for key in range(length):
                linked = is_global is not None and bool(is_global[row, query] or is_global[row, key])
                forbidden = padding[row, key] or documents[row, query] != documents[row, key] or (causal and key > query)
                assert found[row, 0, number, key] == ((abs(query - key) <= window or linked) and not forbidden)


def test_random_blocks_are_seen_by_whole_blocks() -> None:
    chosen = torch.tensor([[[2], [1], [0]]])  # the first block sees the last one, and so on
    seen = LocalVisibility(3 * BLOCK - 5, 0, False, chosen=chosen).seen_from(torch.tensor([[0, BLOCK, 3 * BLOCK - 6]])).visible
    for query, (own, block) in enumerate([(0, 2), (BLOCK, 1), (3 * BLOCK - 6, 0)]):
        expected = torch.arange(3 * BLOCK - 5) // BLOCK == block
        expected[own] = True
        assert torch.equal(seen[0, 0, query], expected)


def test_random_blocks_are_even_and_the_same_every_time_in_each_layer() -> None:
    cpu = torch.device("cpu")
    found = random_blocks(3, 0, 100 * BLOCK, None, cpu)
    assert found.shape == (1, 100, 3)
    assert torch.equal(found, random_blocks(3, 0, 100 * BLOCK, None, cpu))
    assert not torch.equal(found, random_blocks(3, 1, 100 * BLOCK, None, cpu))
    assert found[0, :3].tolist() == [[4, 29, 47], [34, 67, 61], [14, 19, 58]], "a trained model counts on these"
    many = torch.cat([random_blocks(3, layer, 10 * BLOCK, None, cpu).flatten() for layer in range(100)])
    counts = many.bincount(minlength=10).double()
    assert ((counts - 300).square() / 300).sum() < 27.9  # chi-square of 9 degrees, p = 0.001
    lengths = torch.tensor([100 * BLOCK, 3 * BLOCK + 1, 0])
    padded = random_blocks(3, 0, 100 * BLOCK, torch.arange(100 * BLOCK) >= lengths[:, None], cpu)
    assert torch.equal(padded[0], found[0])
    assert torch.equal(padded[1, :4], random_blocks(3, 0, 3 * BLOCK + 1, None, cpu)[0])
    assert not padded[2].any()


@given(st.integers(0, 4), st.integers(1, 12), st.booleans(), st.booleans(), st.integers(0, 2**16))
def test_first_tokens_are_those_of_each_text(count: int, length: int, padded: bool, packed: bool, seed: int) -> None:
    torch.manual_seed(seed)
    padding = torch.rand(2, length) < 0.4 if padded else None
    documents = torch.randint(0, 2, (2, length)).cumsum(dim=1) if packed else None
    found = first_tokens(count, length, padding, documents, torch.device("cpu")).expand(2, -1)
    for row in range(2):
        counted: dict[int, int] = {}
        for place in range(length):
            text = 0 if documents is None else int(documents[row, place])
            real = padding is None or not padding[row, place]
            counted[text] = counted.get(text, 0) + real
            assert found[row, place] == (real and counted[text] <= count)


@pytest.mark.parametrize("kernel", [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH])
def test_a_query_that_sees_nothing_averages_over_everything_and_so_does_its_gradient(kernel: SDPBackend) -> None:
    query, key, value = (torch.randn(1, 1, 64, 8, requires_grad=True) for _ in range(3))
    bias = Visibility(torch.zeros(1, 1, 64, 64, dtype=torch.bool)).score_bias(torch.float32)
    with sdpa_kernel(kernel):
        mixed = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    mixed.sum().backward()
    weights = torch.softmax(query @ key.mT / 8**0.5, dim=-1)
    torch.testing.assert_close(mixed, weights @ value, atol=1e-3, rtol=0)
    torch.testing.assert_close(value.grad, weights.sum(dim=2)[..., None].expand_as(value), atol=1e-2, rtol=0)
