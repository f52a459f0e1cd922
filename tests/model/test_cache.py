from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.model import Cache, Transformer, remember
from fathom.model.cache import KeyValues
from tests.tiny import config


@given(st.lists(st.integers(0, 90), min_size=1, max_size=6), st.booleans(), st.integers(0, 2**16))
def test_store_gives_back_all_that_it_took_in(sizes: list[int], with_select: bool, seed: int) -> None:
    torch.manual_seed(seed)
    store, keys, values = KeyValues(), torch.empty(3, 2, 0, 4), torch.empty(3, 2, 0, 4)
    for size in sizes:
        new = torch.randn(2, 3, 2, size, 4)
        keys, values = torch.cat([keys, new[0]], 2), torch.cat([values, new[1]], 2)
        found = store.append(new[0], new[1])
        if with_select:
            rows = torch.randint(3, (3,))
            store.select(rows)
            keys, values, found = keys[rows], values[rows], store.all()
        assert store.length == keys.shape[2]
        assert torch.equal(found[0], keys)
        assert torch.equal(found[1], values)
        assert not store.complete


def test_store_grows_by_doubling() -> None:
    store = KeyValues()
    places = []
    for _ in range(500):
        keys, _ = store.append(torch.randn(1, 1, 1, 2), torch.randn(1, 1, 1, 2))
        places.append(keys.untyped_storage().data_ptr())
    moves = sum(one != other for one, other in pairwise(places))
    assert moves <= 4  # 64, 130, 262, 526


def test_store_that_is_filled_once_takes_no_more_room_than_it_needs() -> None:
    store = KeyValues(filled_once=True)
    store.select(torch.tensor([0]))  # nothing to select yet
    assert not store.complete
    keys, _ = store.append(torch.randn(2, 1, 5, 3), torch.randn(2, 1, 5, 3))
    assert store.complete
    assert keys.untyped_storage().nbytes() == 2 * 5 * 3 * 4


def test_cache_has_a_store_for_each_step_and_is_as_long_as_what_was_read() -> None:
    model = Transformer(config(causal=True, depth=4, groups=2, blocks_in_group=2)).eval()
    cache = Cache(model.config)
    assert len(cache.blocks) == 8
    assert cache.length == 0
    token_ids = torch.randint(5, 200, (2, 9))
    with torch.no_grad():
        parts = [model(token_ids[:, :4], cache=cache), model(token_ids[:, 4:], cache=cache)]
        torch.testing.assert_close(torch.cat(parts, 1), model(token_ids), atol=1e-5, rtol=0)
    assert [store.length for store in cache.blocks] == [9] * 8
    assert [store.length for store in cache.contexts] == [0] * 8


@pytest.mark.parametrize("positions", ["learned", "rotary", "relative"])
def test_rows_of_a_cache_can_be_dropped_repeated_and_reordered(positions: str) -> None:
    torch.manual_seed(0)
    model = Transformer(config(causal=True, positions=positions, initializer_range=0.3)).eval()
    token_ids, cache = torch.randint(5, 200, (4, 12)), Cache(model.config)
    with torch.no_grad():
        model(token_ids[:, :11], cache=cache)
        for rows in (torch.tensor([3, 3, 0, 1, 2]), torch.tensor([4, 0])):
            cache.select(rows)
            token_ids = token_ids[rows]
        found = model(token_ids[:, 11:], cache=cache)
        torch.testing.assert_close(found, model(token_ids)[:, -1:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("positions", ["learned", "rotary", "relative"])
def test_a_cache_that_forgets_reads_another_continuation_as_if_it_were_the_first(positions: str) -> None:
    torch.manual_seed(0)
    model = Transformer(config(causal=True, positions=positions, initializer_range=0.3)).eval()
    token_ids, cache = torch.randint(5, 200, (2, 12)), Cache(model.config)
    other = torch.cat([token_ids[:, :7], torch.randint(5, 200, (2, 4))], 1)
    with torch.no_grad():
        model(token_ids, cache=cache)
        cache.forget(20)
        assert cache.length == 12
        cache.forget(7)
        assert cache.length == 7
        torch.testing.assert_close(model(other[:, 7:], cache=cache), model(other)[:, 7:], atol=1e-5, rtol=0)


def test_only_first_with_a_cache_keeps_all_keys() -> None:
    model = Transformer(config(causal=True, positions="rotary", initializer_range=0.3)).eval()
    token_ids = torch.randint(5, 200, (2, 8))
    whole, first = Cache(model.config), Cache(model.config)
    with torch.no_grad():
        model(token_ids[:, :5], cache=whole)
        model(token_ids[:, :5], cache=first, only_first=True)
        torch.testing.assert_close(
            model(token_ids[:, 5:], cache=first), model(token_ids[:, 5:], cache=whole), atol=1e-6, rtol=0
        )


def test_cache_and_memory_are_not_taken_together() -> None:
    model = Transformer(config(causal=True, positions="relative")).eval()
    token_ids = torch.randint(5, 200, (1, 4))
    memory = remember(model.hidden_states(token_ids), 4)
    with pytest.raises(ValueError, match="a cache and a memory"):
        model(token_ids, cache=Cache(model.config), memory=memory)


@pytest.mark.parametrize("length", [0, 3, 4, 9])
def test_memory_is_the_last_states_without_gradients(length: int) -> None:
    model = Transformer(config(positions="relative")).train()
    states = model.hidden_states(torch.randint(5, 200, (2, 4)))
    memory = remember(states, length)
    assert len(memory) == 2
    for state, kept in zip(states, memory, strict=False):
        assert torch.equal(kept, state[:, max(0, 4 - length) :])
        assert not kept.requires_grad
    again = remember(model.hidden_states(torch.randint(5, 200, (2, 3)), memory=memory), length, memory)
    assert [state.shape[1] for state in again] == [min(length, min(length, 4) + 3)] * 2
