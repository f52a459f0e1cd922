"""Blocks beside the dense computation with the same visibility; who sees whom is tested in test_visibility.py."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from fathom.model import Cache, LanguageModel, SequenceClassifier, Transformer
from fathom.model.local_attention import local_attention, make_blocks, pays_off
from fathom.model.visibility import LocalVisibility, first_tokens, random_blocks
from tests.tiny import config

CPU = torch.device("cpu")
BOTH_WAYS = ("dense", "blocks")
SHAPES: list[dict[str, Any]] = [
    {"positions": "learned"},
    {"positions": "rotary", "key_heads": 1, "rotary_local_base": 50.0, "causal": True},
    {"positions": "rotary", "global_tokens": 2},
    {"positions": "sinusoidal", "global_tokens": 1, "random_blocks": 2, "groups": 1},
    {"positions": "none", "random_blocks": 1},
    {"positions": "learned", "causal": True, "global_tokens": 3},
]


def stack(**shape: Any) -> Transformer:
    torch.manual_seed(0)
    fields = {"pattern": "lg", "window": 30, "max_length": 700, "initializer_range": 0.3, "dropout": 0.0}
    return Transformer(config(**{**fields, **shape})).eval()


@settings(max_examples=60)
@given(
    length=st.integers(1, 300),
    window=st.one_of(st.integers(0, 8), st.integers(0, 150)),
    causal=st.booleans(),
    padded=st.sampled_from(["no", "right", "left", "anywhere"]),
    packed=st.booleans(),
    few=st.integers(0, 5),
    blocks=st.integers(0, 3),
    key_heads=st.sampled_from([1, 2, 4]),
    seed=st.integers(0, 2**16),
)
def test_blocks_equal_dense_attention_and_so_do_their_gradients(
    length: int, window: int, causal: bool, padded: str, packed: bool, few: int, blocks: int, key_heads: int, seed: int
) -> None:
    torch.manual_seed(seed)
    rows = 3
    lengths = torch.tensor([length, 0, int(torch.randint(0, length + 1, ()))])[:, None]
    places = torch.arange(length)
    padding = {
        "no": None,
        "right": places >= lengths,
        "left": places < length - lengths,
        "anywhere": torch.rand(rows, length) < 0.5,
    }[padded]
    documents = (torch.rand(rows, length) < 0.02).cumsum(dim=1) if packed else None
    is_global = first_tokens(few, length, padding, documents, CPU) if few else None
    chosen = random_blocks(blocks, seed, length, padding, CPU) if blocks else None
    rule = LocalVisibility(length, window, causal, padding, documents, is_global, chosen)
    sizes = (rows, 4, length, 6), (rows, key_heads, length, 6), (rows, key_heads, length, 6)
    exact = torch.float64  # the gradient of a token that all see is a long sum, of which float32 rounds more than 1e-5 away
    parts = [torch.randn(size, dtype=exact).requires_grad_() for size in sizes]
    visible = rule.seen_from(places[None])
    real = visible.visible.expand(rows, 4, -1, -1).any(dim=-1, keepdim=True)  # what sees nothing means nothing
    weights = torch.randn(sizes[0]) * real
    shared = key_heads != 4

    expected = scaled_dot_product_attention(*parts, attn_mask=visible.score_bias(exact), scale=0.7, enable_gqa=shared)
    wanted = torch.autograd.grad((expected * weights).sum(), parts)
    found = local_attention(*parts, make_blocks(rule, rows, exact, CPU), dropout=0.0, scale=0.7, shared_keys=shared)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found * real, expected * real, atol=1e-9, rtol=0)
    for mine, theirs in zip(torch.autograd.grad((found * weights).sum(), parts), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-9, rtol=0)
    rounded = local_attention(
        *(part.float() for part in parts),
        make_blocks(rule, rows, torch.float32, CPU),
        dropout=0.0,
        scale=0.7,
        shared_keys=shared,
    )
    torch.testing.assert_close(rounded.double() * real, expected * real, atol=1e-5, rtol=0)


def test_gradient_of_blocks_is_that_of_finite_differences() -> None:
    rule = LocalVisibility(70, 2, False, None, None, first_tokens(1, 70, None, None, CPU), random_blocks(1, 0, 70, None, CPU))
    made = make_blocks(rule, 1, torch.float64, CPU)
    parts = [torch.randn(1, 1, 70, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]

    def attend(*parts: Tensor) -> Tensor:
        return local_attention(*parts, made, dropout=0.0, scale=1.0, shared_keys=False)

    assert torch.autograd.gradcheck(attend, parts, fast_mode=True)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("only_first", [False, True])
@pytest.mark.parametrize("pattern", ["lg", "gl"])
def test_a_stack_gives_the_same_in_blocks(shape: dict[str, Any], training: bool, only_first: bool, pattern: str) -> None:
    model = stack(pattern=pattern, **shape).train(training)
    token_ids = torch.randint(5, 200, (3, 300))
    padding = torch.arange(300) >= torch.tensor([300, 131, 1])[:, None]
    documents = (torch.arange(300) // 90)[None].expand(3, -1)
    for hidden, texts in ((None, None), (padding, None), (padding, documents)):
        real = torch.ones_like(padding) if hidden is None else ~hidden
        real = real[:, :1] if only_first else real
        states, gradients = [], []
        for way in BOTH_WAYS:
            model.way_of_local_steps = way
            model.zero_grad()
            state = model(token_ids, hidden, documents=texts, only_first=only_first)[real]
            state.square().mean().backward()
            states.append(state)
            gradients.append({name: part.grad for name, part in model.named_parameters() if part.grad is not None})
        torch.testing.assert_close(*states, atol=1e-5, rtol=1e-5)
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradients[1][name], gradient, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_never_changes_an_answer(shape: dict[str, Any]) -> None:
    model = stack(**shape)
    model.way_of_local_steps = "blocks"
    token_ids = torch.randint(5, 200, (3, 300))
    lengths = [300, 131, 66]
    padding = torch.arange(300) >= torch.tensor(lengths)[:, None]
    with torch.no_grad():
        together = model(token_ids, padding)
        others = model(token_ids.where(~padding, torch.randint(5, 200, (3, 300))), padding)
        for row, length in enumerate(lengths):
            alone = model(token_ids[row : row + 1, :length])
            torch.testing.assert_close(together[row : row + 1, :length], alone, atol=1e-5, rtol=0)
            assert torch.equal(together[row, :length], others[row, :length])


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not shape.get("random_blocks")])
def test_texts_in_a_row_are_as_they_are_alone(shape: dict[str, Any]) -> None:
    """Random blocks are those of the row, so that a text with them sees other tokens when it is packed."""
    model = stack(**shape)
    model.way_of_local_steps = "blocks"
    lengths = (150, 1, 201)
    texts = [torch.randint(5, 200, (1, length)) for length in lengths]
    documents = torch.cat([torch.full((1, length), number) for number, length in enumerate(lengths)], dim=1)
    positions = torch.cat([torch.arange(length) for length in lengths])[None]
    with torch.no_grad():
        packed = model(torch.cat(texts, dim=1), documents=documents, position_ids=positions)
        alone = torch.cat([model(text) for text in texts], dim=1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_text_of_padding_gives_numbers_and_gradients(shape: dict[str, Any]) -> None:
    model = stack(**shape)
    model.way_of_local_steps = "blocks"
    padding = torch.tensor([[True] * 200, [False] * 200])
    states = model(torch.randint(5, 200, (2, 200)), padding)
    states.square().sum().backward()
    assert torch.isfinite(states).all()
    assert all(torch.isfinite(part.grad).all() for part in model.parameters() if part.grad is not None)


def test_attention_weights_are_dropped_in_training_only() -> None:
    model = stack(pattern="l", attention_dropout=0.5, global_tokens=1)
    model.way_of_local_steps = "blocks"
    token_ids = torch.randint(5, 200, (1, 300))
    assert torch.equal(model(token_ids), model(token_ids))
    model.train()
    torch.manual_seed(0)
    first = model(token_ids)
    assert not torch.equal(first, model(token_ids))
    torch.manual_seed(0)
    assert torch.equal(first, model(token_ids))


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape.get("causal")])
def test_a_cache_goes_on_where_blocks_have_read(shape: dict[str, Any]) -> None:
    torch.manual_seed(0)
    fields = {"pattern": "lg", "window": 30, "max_length": 700, "initializer_range": 0.3, "norm_position": "before"}
    model = LanguageModel(config(**{**fields, **shape})).eval()
    token_ids = torch.randint(5, 200, (3, 320))
    padding = torch.arange(320) < torch.tensor([0, 100, 290])[:, None]
    with torch.no_grad():
        model.transformer.way_of_local_steps = "dense"
        everything = model(token_ids, padding)
        model.transformer.way_of_local_steps = "blocks"
        cache, parts, start = Cache(model.config), [], 0
        for end in (300, 301, 302, 320):
            parts.append(model(token_ids[:, start:end], padding[:, :end], cache=cache))
            start = end
    torch.testing.assert_close(torch.cat(parts, dim=1)[~padding], everything[~padding], atol=1e-4, rtol=0)


def test_a_block_that_is_run_again_gives_the_same_gradients() -> None:
    model = stack(global_tokens=1, random_blocks=1, dropout=0.1, attention_dropout=0.1).train()
    model.way_of_local_steps = "blocks"
    token_ids, gradients = torch.randint(5, 200, (2, 200)), []
    for again in (False, True):
        model.checkpoint_activations = again
        model.zero_grad()
        torch.manual_seed(0)
        model(token_ids).square().mean().backward()
        gradients.append(model.blocks[0].attention.query.weight.grad)
    torch.testing.assert_close(*gradients, atol=1e-7, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_numbers_stay_finite_and_near(dtype: torch.dtype) -> None:
    model = stack(pattern="l", global_tokens=2, random_blocks=1)
    token_ids = torch.randint(5, 200, (2, 200))
    expected = model(token_ids)
    model.way_of_local_steps = "blocks"
    found = model.to(dtype)(token_ids)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, atol=0.3, rtol=0.1)


def test_autocast_gives_the_same_both_ways() -> None:
    model = stack(pattern="l", global_tokens=2, random_blocks=1, heads=4, key_heads=2)
    token_ids, states = torch.randint(5, 200, (2, 200)), []
    for way in BOTH_WAYS:
        model.way_of_local_steps = way
        with torch.autocast("cpu", dtype=torch.bfloat16):
            states.append(model(token_ids).float())
    torch.testing.assert_close(*states, atol=0.1, rtol=0.1)


class _Biases(TorchFunctionMode):
    """Writes down the size of every bias that attention is given."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is scaled_dot_product_attention:
            bias = kwargs["attn_mask"]
            self.sizes.append(0 if bias is None else bias.numel())
        return function(*args, **(kwargs or {}))


def test_long_texts_are_computed_in_blocks_and_short_ones_are_not() -> None:
    model = stack(pattern="l", max_length=2000)
    for length, in_blocks in ((100, False), (511, False), (512, True), (2000, True)):
        with torch.no_grad(), _Biases() as biases:
            model(torch.randint(5, 200, (1, length)))
        assert len(biases.sizes) == 2
        assert set(biases.sizes) == ({-(-length // 64) * 64 * (64 + 2 * 30)} if in_blocks else {length**2})


# window, causal, global tokens, least length on a CPU and elsewhere, where it was not measured
LEAST = [(64, False, 0, 512, 8192), (255, True, 0, 638, 8192), (200, False, 1, 1398, 8192), (200, False, 100, 1992, 10_624)]


@pytest.mark.parametrize(("window", "causal", "few", "on_cpu", "elsewhere"), LEAST)
def test_blocks_pay_off_from_a_multiple_of_their_keys_on(
    window: int, causal: bool, few: int, on_cpu: int, elsewhere: int
) -> None:
    for device, least in (("cpu", on_cpu), ("cuda", elsewhere)):
        for length in (least - 1, least):
            is_global = first_tokens(few, length, None, None, CPU) if few else None
            rule = LocalVisibility(length, window, causal, is_global=is_global)
            assert pays_off(rule, torch.device(device)) == (length == least)


def test_a_text_of_32768_tokens_takes_memory_for_its_length_only() -> None:
    """Between all of its tokens there are a billion pairs: 4 GiB for one bias in 32 bits."""
    model = stack(pattern="l", depth=1, positions="rotary", max_length=2**15, global_tokens=1, random_blocks=1, causal=False)
    largest = 0

    class Watch(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal largest
            made = function(*args, **(kwargs or {}))
            if isinstance(made, Tensor):
                largest = max(largest, made.untyped_storage().nbytes())
            return made

    with torch.no_grad(), Watch():
        states = model(torch.randint(5, 200, (1, 2**15)))
    assert torch.isfinite(states).all()
    assert largest < 2**15 * 8 * 1024  # bytes: a thousand numbers a token, where each pair would need 32 thousand


def test_a_classifier_with_the_first_token_global_reads_the_end_of_a_long_text_in_one_layer() -> None:
    torch.manual_seed(0)
    shape = {"pattern": "l", "window": 8, "depth": 1, "max_length": 600, "pooling": "first", "initializer_range": 0.3}
    token_ids = torch.randint(5, 200, (1, 600))
    other = token_ids.clone()
    other[0, -1] = 5 + (other[0, -1] - 4) % 195
    for few, reads in ((0, False), (1, True)):
        model = SequenceClassifier(config(**shape, global_tokens=few), 2).eval()
        assert torch.equal(model(token_ids), model(other)) != reads
