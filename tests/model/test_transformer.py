import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fathom.model import SequenceClassifier, Transformer
from fathom.model.heads import surviving_tokens
from fathom.model.positions import SinusoidalPositions, token_positions
from tests.tiny import classifier, config

SHAPES = [
    {},
    {"norm_position": "before"},
    {"positions": "sinusoidal", "segments": 0},
    {"positions": "none", "pooling": "mean", "pooler": False, "norm_position": "before"},
    {"pooling": "mean"},
]


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
def test_padding_never_changes_an_answer(shape: dict, data: st.DataObject) -> None:
    model = classifier(**shape)
    lengths = data.draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    longest = max(lengths) + data.draw(st.integers(0, 5))
    token_ids = torch.randint(5, 200, (len(lengths), longest))  # what stands in the padding does not matter either
    padding_mask = torch.arange(longest) >= torch.tensor(lengths)[:, None]
    with torch.no_grad():
        together = model(token_ids, padding_mask)
        for row, length in enumerate(lengths):
            alone = model(token_ids[row : row + 1, :length])
            torch.testing.assert_close(together[row : row + 1], alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("padded", [False, True])
def test_every_parameter_gets_a_gradient(shape: dict, padded: bool) -> None:
    model = classifier(**shape).train()
    token_ids = torch.randint(5, 200, (3, 9))
    padding_mask = (torch.arange(9) >= torch.tensor([9, 5, 2])[:, None]) if padded else None
    segment_ids = torch.randint(0, 2, (3, 9)) if model.config.segments else None
    torch.nn.functional.cross_entropy(model(token_ids, padding_mask, segment_ids), torch.tensor([0, 1, 0])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0 or name.endswith("attention.key.bias"), name  # softmax cancels a key's bias


def test_a_row_of_padding_alone_gives_finite_logits() -> None:
    for shape in SHAPES:
        model = classifier(**shape)
        logits = model(torch.zeros(2, 4, dtype=torch.long), torch.tensor([[True] * 4, [False] * 4]))
        assert torch.isfinite(logits).all()


SEEN = [{}, {"causal": True}, {"pattern": "lg", "window": 2}, {"causal": True, "pattern": "gl", "window": 1}]
FIRST = [({"positions": kind, **seen}, 0) for kind in ("learned", "rotary", "sinusoidal") for seen in SEEN]
FIRST += [({"positions": "relative", "causal": causal}, size) for causal in (False, True) for size in (0, 3)]


@pytest.mark.parametrize(("shape", "remembered"), FIRST)
@pytest.mark.parametrize("norm_position", ["before", "after"])
def test_only_first_equals_the_first_of_all(shape: dict, remembered: int, norm_position: str) -> None:
    model = Transformer(config(norm_position=norm_position, initializer_range=0.3, **shape)).eval()
    token_ids, padding = torch.randint(5, 200, (3, 8)), torch.arange(8) >= torch.tensor([8, 5, 1])[:, None]
    segments = torch.randint(0, 2, (3, 8))
    memory = [torch.randn(3, remembered, 16) for _ in range(2)] if remembered else None
    for hidden in (None, padding):
        for kinds in (None, segments):
            whole = model(token_ids, hidden, kinds, memory=memory)[:, :1]
            found = model(token_ids, hidden, kinds, memory=memory, only_first=True)
            torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", [{"positions": "learned"}, {"positions": "rotary"}, {"positions": "relative"}])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pattern", ["g", "lg"])
def test_texts_in_a_row_do_not_see_each_other(shape: dict, causal: bool, pattern: str) -> None:
    if shape["positions"] == "relative":
        pattern = "g"  # the only one there
    torch.manual_seed(0)
    model = Transformer(config(causal=causal, pattern=pattern, window=2, initializer_range=0.3, **shape)).eval()
    texts = [torch.randint(5, 200, (1, length)) for length in (5, 1, 7)]
    documents = torch.tensor([[0] * 5 + [1] + [2] * 7 + [3, 3]])
    positions = torch.cat([*(torch.arange(text.shape[1]) for text in texts), torch.zeros(2, dtype=torch.long)])[None]
    packed, padding = torch.cat([*texts, torch.tensor([[9, 9]])], 1), documents == 3
    with torch.no_grad():
        alone = torch.cat([model(text) for text in texts], 1)
        found = model(packed, padding, documents=documents, position_ids=positions)
    torch.testing.assert_close(found[:, :13], alone, atol=1e-5, rtol=0)


def test_positions_of_padding_are_its_own_whatever_stands_there() -> None:
    """RoBERTa's rule: real tokens are counted from the row after padding's, on whichever side the padding is."""
    model = Transformer(config(padding_position=3, pad_id=1)).eval()
    row = torch.tensor([[7, 8, 9, 1, 10]])  # a real text may hold the padding token: it gets padding's position
    expected = torch.tensor([[4, 5, 6, 3, 7]])
    assert token_positions(model.config, row, None).tolist() == expected.tolist()
    padded, padding = torch.cat([torch.tensor([[5, 1]]), row], 1), torch.arange(7)[None] < 2
    assert token_positions(model.config, padded, padding).tolist() == [[3, 3, *expected[0].tolist()]]
    assert model.embeddings.position.weight.shape == (32 + 4, 16)


def test_a_stack_without_a_table_takes_vectors() -> None:
    model = Transformer(config(), with_tokens=False).eval()
    token_ids = torch.randint(5, 200, (2, 4))
    with pytest.raises(AssertionError, match="hand in token_vectors"):
        model(token_ids)
    with pytest.raises(AssertionError, match="no token table"):
        _ = model.token_table
    assert model(token_ids, token_vectors=torch.randn(2, 4, 16)).shape == (2, 4, 16)


def test_hidden_states_are_one_more_than_blocks_and_end_with_the_answer() -> None:
    model = Transformer(config(norm_position="before")).eval()
    token_ids = torch.randint(5, 200, (2, 5))
    states = model.hidden_states(token_ids)
    assert [tuple(state.shape) for state in states] == [(2, 5, 16)] * 3
    assert torch.equal(states[-1], model(token_ids))


def test_sinusoidal_positions_are_the_papers() -> None:
    table = SinusoidalPositions(50, 7).table
    for position in (0, 1, 49):
        for entry in range(7):
            angle = position / 10000 ** ((entry - entry % 2) / 7)
            expected = math.sin(angle) if entry % 2 == 0 else math.cos(angle)
            assert table[position, entry].item() == pytest.approx(expected, abs=1e-5)


def test_token_dropout_acts_in_training_only() -> None:
    model = classifier(token_dropout=0.5, dropout=0.0)
    token_ids = torch.randint(5, 200, (2, 10))
    assert torch.equal(model(token_ids), model(token_ids))
    model.train()
    assert not torch.equal(model(token_ids), model(token_ids))


def test_token_dropout_reads_the_tokens_that_are_left_where_they_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier(token_dropout=0.5, dropout=0.0, pooling="mean")
    token_ids, segment_ids = torch.randint(5, 200, (2, 10)), torch.randint(0, 2, (2, 10))
    padding_mask = torch.arange(10) >= torch.tensor([[10], [7]])
    dropped = torch.rand(2, 10) < 0.5
    dropped[:, 0] = False
    monkeypatch.setattr(torch, "rand", lambda *size, **options: torch.where(dropped, 0.1, 0.9))
    expected = []
    for row in range(2):
        left = (~dropped[row] & ~padding_mask[row]).nonzero().flatten()
        states = model.transformer(
            token_ids[row : row + 1, left], None, segment_ids[row : row + 1, left], position_ids=left[None]
        )
        expected.append(model.classifier(model.pooler(states)))
    torch.testing.assert_close(model.train()(token_ids, padding_mask, segment_ids), torch.cat(expected))


def test_token_dropout_leaves_the_asked_for_share_and_the_first_token_and_shortens_the_batch() -> None:
    token_ids = torch.randint(5, 200, (50, 400))
    padding_mask = (torch.arange(400) >= 300).expand(50, 400)
    places, missing = surviving_tokens(token_ids, padding_mask, 0.75)
    assert (places[:, 0] == 0).all()
    assert places[~missing].max() < 300
    assert ((places.diff(dim=1) > 0) | missing[:, 1:]).all()
    assert (~missing).double().sum(dim=1).mean().item() == pytest.approx(75, abs=4)
    assert places.shape[1] % 16 == 0
    assert places.shape[1] < 128


def test_fresh_weights_have_the_asked_for_deviation() -> None:
    model = SequenceClassifier(config(vocab_size=5000, width=64), 2)
    assert model.transformer.embeddings.token.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert model.classifier.bias.abs().sum() == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("heads", 3), ("width", 0), ("dropout", 1.0), ("pad_id", 200), ("positions", "tape"), ("norm_eps", 0.0), ("segments", -1)],
)
def test_config_refuses_what_makes_no_model(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        config(**{field: value})


@pytest.mark.parametrize("changes", [{}, {"causal": True}, {"positions": "rotary", "norm_position": "before", "segments": 0}])
def test_texts_in_one_row_are_read_as_if_each_stood_alone(changes: dict[str, object]) -> None:
    torch.manual_seed(0)
    model = Transformer(config(**changes)).eval()
    lengths = [7, 1, 5, 9]
    texts = [torch.randint(5, 200, (1, length)) for length in lengths]
    documents = torch.cat([torch.full((1, length), number) for number, length in enumerate(lengths)], dim=1)
    positions = torch.cat([torch.arange(length)[None] for length in lengths], dim=1)
    packed = model(torch.cat(texts, dim=1), documents=documents, position_ids=positions)
    alone = torch.cat([model(text) for text in texts], dim=1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


def test_checkpointed_activations_keep_less_and_give_the_same_gradient() -> None:
    kept, gradients = [], []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        model = Transformer(config(depth=4, dropout=0.1))
        model.checkpoint_activations = checkpointed
        token_ids, sizes = torch.randint(5, 200, (3, 16)), []

        def keep(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = model(token_ids).square().mean()
        kept.append(sum(sizes))
        loss.backward()
        gradients.append([parameter.grad for parameter in model.parameters()])
    assert kept[1] < kept[0] / 3
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
