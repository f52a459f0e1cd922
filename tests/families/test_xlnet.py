"""XLNet's own: two streams, permutations, memory, and the frame with the class at its end, beside Hugging Face's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel, XLNetTokenizer

from fathom.checkpoint import load_model
from fathom.families import XLNET
from fathom.model import LanguageModel, Transformer, TransformerConfig, remember
from tests.families.reference import reference, saved
from tests.tiny import config as tiny_config


@dataclass(frozen=True)
class Case:
    """Rows of text with an order of factorisation each, and the places to guess."""

    token_ids: Tensor  # (B, L)
    padding: Tensor | None  # (B, L)
    segments: Tensor | None  # (B, L)
    visible: Tensor  # (B, L, L)
    targets: Tensor  # (B, T), each sees at least one token


def make_case(length: int, *, padded: bool = False, segments: bool = False, targets: int = 3) -> Case:
    token_ids = torch.randint(6, 200, (3, length))
    lengths = torch.tensor([length, length - 3, 5]) if padded else torch.tensor([length] * 3)
    padding = torch.arange(length) >= lengths[:, None]
    rank = torch.rand(3, length).masked_fill(padding, 2.0).argsort(1).argsort(1)  # the place of each token in its order
    order = rank.argsort(1)
    last = torch.stack([order[row, lengths[row] - targets : lengths[row]] for row in range(3)])
    halves = (torch.arange(length) >= lengths[:, None] // 2).long() + (torch.arange(length) == lengths[:, None] - 1)
    return Case(
        token_ids.masked_fill(padding, 5),
        padding if padded else None,
        halves.masked_fill(padding, 0) if segments else None,
        rank[:, None, :] < rank[:, :, None],
        last[:, torch.randperm(targets)],
    )


def told(case: Case, memory: Sequence[Tensor] | None) -> dict[str, object]:
    """The same in their words."""
    mapping = torch.nn.functional.one_hot(case.targets, case.token_ids.shape[1]).float()
    found: dict[str, object] = {"perm_mask": (~case.visible).float(), "target_mapping": mapping}
    if case.padding is not None:
        found["attention_mask"] = (~case.padding).float()
    if case.segments is not None:
        found["token_type_ids"] = case.segments
    if memory is not None:
        found["mems"] = [state.transpose(0, 1) for state in memory]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(reference("xlnet", "masked"), tmp_path_factory.mktemp("xlnet"))


def ours_and_theirs(folder: Path) -> tuple[LanguageModel, PreTrainedModel]:
    ours = load_model(folder).model
    assert isinstance(ours, LanguageModel)
    return ours, reference("xlnet", "masked")


def guesses(model: LanguageModel, case: Case, memory: Sequence[Tensor] | None = None) -> tuple[Tensor, list[Tensor]]:
    query, states = model.transformer.query_states(
        case.token_ids, case.targets, case.visible, case.padding, case.segments, memory=memory
    )
    return model.logits(query), states


def random_memory(length: int, depth: int = 3) -> list[Tensor] | None:
    return [torch.randn(3, length, 24) for _ in range(depth)] if length else None


@pytest.mark.parametrize("length", [8, 11])
@pytest.mark.parametrize("remembered", [0, 5])
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("segments", [False, True])
def test_two_streams_equal_the_reference(folder: Path, length: int, remembered: int, padded: bool, segments: bool) -> None:
    ours, theirs = ours_and_theirs(folder)
    case, memory = make_case(length, padded=padded, segments=segments), random_memory(remembered)
    expected = theirs(case.token_ids, output_hidden_states=True, **told(case, memory))
    logits, states = guesses(ours, case, memory)
    torch.testing.assert_close(logits, expected.logits, atol=1e-4, rtol=0)
    real = slice(None) if case.padding is None else ~case.padding
    content = expected.hidden_states[0::2]  # they give both streams in turn
    assert len(content) == len(states) == 4
    for mine, their in zip(states, content, strict=True):
        torch.testing.assert_close(mine[real], their[real], atol=1e-4, rtol=0)
    for found in (logits, expected.logits):
        found.sigmoid().square().sum().backward()
    gradients = {name: parameter.grad for name, parameter in ours.named_parameters() if parameter.grad is not None}
    translated = XLNET.to_theirs(gradients, ours.config, "masked")
    assert translated["transformer.mask_emb"].abs().sum() > 0
    assert segments == ("transformer.layer.0.rel_attn.seg_embed" in translated)
    for name, parameter in theirs.named_parameters():
        if name in translated:
            scale = max(1.0, parameter.grad.abs().max().item())
            torch.testing.assert_close(translated[name] / scale, parameter.grad / scale, atol=1e-3, rtol=0, msg=name)
        else:
            assert parameter.grad is None, name


def test_memory_equals_the_references_over_three_segments(folder: Path) -> None:
    ours, theirs = ours_and_theirs(folder)
    theirs.config.mem_len = theirs.transformer.mem_len = 7
    memory, mems = None, None
    with torch.no_grad():
        for length in (5, 6, 4):
            token_ids, segments = torch.randint(6, 200, (3, length)), torch.randint(0, 2, (3, length))
            expected = theirs(token_ids, token_type_ids=segments, mems=mems, output_hidden_states=True)
            states = ours.transformer.hidden_states(token_ids, None, segments, memory=memory)
            for mine, their in zip(states, expected.hidden_states, strict=True):
                torch.testing.assert_close(mine, their, atol=1e-4, rtol=0)
            memory, mems = remember(states, 7, memory), expected.mems
            for mine, their in zip(memory, mems, strict=True):
                torch.testing.assert_close(mine, their.transpose(0, 1), atol=1e-4, rtol=0)
    assert [tuple(state.shape) for state in memory] == [(3, 7, 24)] * 3


def test_all_seeing_two_streams_give_the_content_stream_of_a_plain_pass(folder: Path) -> None:
    model, _ = ours_and_theirs(folder)
    case, memory = make_case(9, padded=True, segments=True), random_memory(4)
    everything = torch.ones_like(case.visible)
    with torch.no_grad():
        _, states = model.transformer.query_states(
            case.token_ids, case.targets, everything, case.padding, case.segments, memory=memory
        )
        plain = model.transformer.hidden_states(case.token_ids, case.padding, case.segments, memory=memory)
    assert case.padding is not None
    for one, other in zip(states, plain, strict=True):
        torch.testing.assert_close(one[~case.padding], other[~case.padding], atol=1e-5, rtol=0)


@given(st.integers(2, 9), st.integers(0, 4), st.integers(0, 2**16))
def test_query_stream_does_not_know_its_own_token_and_the_content_stream_does(length: int, remembered: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = LanguageModel(xlnet()).eval()
    rank = torch.randperm(length)
    visible = (rank[None] < rank[:, None])[None]
    place = int(rank.argsort()[1:][torch.randint(length - 1, ())])  # any but the first of its order, which sees nothing
    token_ids = torch.randint(6, 50, (1, length))
    changed = token_ids.clone()
    changed[0, place] = (token_ids[0, place] + 1 - 6) % 44 + 6
    targets, memory = torch.arange(length)[None], [torch.randn(1, remembered, 16) for _ in range(2)] if remembered else None
    with torch.no_grad():
        (query, states), (other_query, other_states) = (
            model.transformer.query_states(ids, targets, visible, memory=memory) for ids in (token_ids, changed)
        )
    blind = (rank <= rank[place]) if remembered else (rank <= rank[place]) & (rank > 0)
    assert torch.equal(query[0, blind], other_query[0, blind])  # nothing that the place does not come before has changed
    later = rank > rank[place]
    assert (query[0, later] != other_query[0, later]).any(1).all()
    assert (states[-1][0, place] != other_states[-1][0, place]).any()


def xlnet(**changes: object) -> TransformerConfig:
    return tiny_config(
        **{
            **{"vocab_size": 50, "positions": "relative", "embedding_norm": False, "segments": 3, "initializer_range": 0.3},
            **{"output_transform": False, "dropout": 0.0, **changes},
        }
    )


@pytest.mark.parametrize("kept", [6, 4, 0])
def test_two_segments_with_memory_equal_one_long_text(kept: int) -> None:
    torch.manual_seed(0)
    stack = Transformer(xlnet(depth=3)).eval()
    first, second = torch.randint(6, 50, (2, 6)), torch.randint(6, 50, (2, 5))
    segments = torch.tensor([[0, 0, 1, 1, 2]]).expand(2, -1)
    rank = torch.randperm(5)
    inner = rank[None] < rank[:, None]
    targets = rank.argsort()[None, 1:].expand(2, -1)
    with torch.no_grad():
        memory = remember(stack.hidden_states(first), kept)
        query, states = stack.query_states(second, targets, inner.expand(2, -1, -1), None, segments, memory=memory)
        plain = stack.hidden_states(second, None, segments, memory=memory)
        both, all_segments = torch.cat([first, second], 1), torch.cat([torch.zeros_like(first), segments], 1)
        for of_second, content, guessed in ((inner, states, query), (torch.ones(5, 5, dtype=torch.bool), plain, None)):
            visible = torch.zeros(11, 11, dtype=torch.bool)
            visible[:6, :6] = True  # the first does not see the second
            visible[6:, 6 - kept : 6] = True
            visible[6:, 6:] = of_second
            long_query, long = stack.query_states(both, targets + 6, visible.expand(2, -1, -1), None, all_segments)
            for part, whole in zip(content, long, strict=True):
                torch.testing.assert_close(part, whole[:, 6:], atol=1e-5, rtol=0)
            if guessed is not None:
                torch.testing.assert_close(guessed, long_query, atol=1e-5, rtol=0)


@given(st.integers(1, 6), st.integers(0, 2**16))
def test_memory_may_be_seen_in_part(kept: int, seed: int) -> None:
    torch.manual_seed(seed)
    stack = Transformer(xlnet(depth=2)).eval()
    first, second = torch.randint(6, 50, (2, 6)), torch.randint(6, 50, (2, 5))
    visible = torch.rand(2, 5, kept + 5) > 0.4
    visible[:, :, -1] = True
    targets = torch.tensor([[0, 3], [4, 1]])
    whole = torch.zeros(2, 11, 11, dtype=torch.bool)
    whole[:, :6, :6] = True
    whole[:, 6:, 6 - kept :] = visible
    with torch.no_grad():
        memory = remember(stack.hidden_states(first), kept)
        query, states = stack.query_states(second, targets, visible, memory=memory)
        long_query, long = stack.query_states(torch.cat([first, second], 1), targets + 6, whole)
    torch.testing.assert_close(query, long_query, atol=1e-5, rtol=0)
    for part, all_of_it in zip(states, long, strict=True):
        torch.testing.assert_close(part, all_of_it[:, 6:], atol=1e-5, rtol=0)


def test_every_parameter_gets_a_gradient_from_guesses() -> None:
    torch.manual_seed(0)
    model = LanguageModel(xlnet(dropout=0.1, attention_dropout=0.1, activation_dropout=0.1)).train()
    case = make_case(9, padded=True, segments=True)
    case = Case(case.token_ids % 50, case.padding, case.segments, case.visible, case.targets)
    for memory in (None, [torch.randn(3, 4, 16) for _ in range(2)]):
        model.zero_grad()
        logits, _ = guesses(model, case, memory)
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), case.token_ids.gather(1, case.targets).flatten()).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


def test_padding_changes_no_guess() -> None:
    torch.manual_seed(0)
    model = LanguageModel(xlnet()).eval()
    case = make_case(9, padded=True, segments=True)
    assert case.padding is not None
    assert case.segments is not None
    ids = torch.where(case.padding, torch.randint_like(case.token_ids, 50), case.token_ids % 50)
    with torch.no_grad():
        together, _ = guesses(model, Case(ids, case.padding, case.segments, case.visible, case.targets))
        for row in range(3):
            size = int((~case.padding[row]).sum())
            alone = Case(
                ids[row : row + 1, :size],
                None,
                case.segments[row : row + 1, :size],
                case.visible[row : row + 1, :size, :size],
                case.targets[row : row + 1],
            )
            torch.testing.assert_close(guesses(model, alone)[0], together[row : row + 1], atol=1e-5, rtol=0)


def test_query_stream_needs_relative_positions() -> None:
    with pytest.raises(ValueError, match="positions are 'learned'; a query stream needs relative ones"):
        Transformer(tiny_config()).query_states(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 1), torch.ones(1, 2, 2))


PIECES = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>", "▁", "▁a", "▁film", "▁good", "▁not"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, XLNetTokenizer]:
    """A folder with their tokenizer in it, which has their template."""
    folder = tmp_path_factory.mktemp("frame")
    reference("xlnet", "sequence", pad_token_id=5).save_pretrained(folder)
    letters = [(piece, -float(number)) for number, piece in enumerate([*PIECES, *"abcdefghijklmnopqrstuvwxyz"])]
    tokenizer = XLNetTokenizer(vocab=letters, unk_id=0)
    tokenizer.save_pretrained(folder)
    return folder, tokenizer


FIRST = ["a good film", "not good", "film", "a film not a good film"]
SECOND = ["not a film", "a good good good film", "good", "a"]


@pytest.mark.parametrize("pairs", [None, SECOND])
def test_frame_with_the_class_at_its_end_gives_the_references_scores(
    classifier: tuple[Path, XLNetTokenizer], pairs: list[str] | None
) -> None:
    folder, their_tokenizer = classifier
    theirs, loaded = reference("xlnet", "sequence", pad_token_id=5), load_model(folder)
    told = their_tokenizer(FIRST, pairs, padding=True, return_token_type_ids=True, return_tensors="pt")
    assert told["input_ids"][2, 0] == 5, "they pad on the left"
    windows = [found for (found,) in loaded.tokenizer.encode(FIRST, pairs, max_length=48)]
    longest = max(len(window.token_ids) for window in windows)
    for window, ids, kinds in zip(windows, told["input_ids"], told["token_type_ids"], strict=True):
        size = len(window.token_ids)
        assert window.token_ids == ids[-size:].tolist()
        assert window.token_ids[-2:] == [4, 3]
        assert window.segment_ids == kinds[-size:].tolist()
    rows = [(window.token_ids, window.segment_ids, longest - len(window.token_ids)) for window in windows]
    token_ids = torch.tensor([ids + [5] * rest for ids, _, rest in rows])
    segments = torch.tensor([kinds + [0] * rest for _, kinds, rest in rows])
    padding = torch.tensor([[False] * len(ids) + [True] * rest for ids, _, rest in rows])
    with torch.no_grad():
        expected = theirs(**told).logits
        torch.testing.assert_close(loaded.model(token_ids, padding, segments), expected, atol=1e-4, rtol=0)


def test_class_at_the_end_gives_the_references_scores_with_padding_on_the_other_side(
    classifier: tuple[Path, XLNetTokenizer],
) -> None:
    """The same, with segments as their tokenizer gives them."""
    folder, their_tokenizer = classifier
    theirs, ours = reference("xlnet", "sequence", pad_token_id=5), load_model(folder).model
    for pairs in (None, SECOND):
        told = their_tokenizer(FIRST, pairs, padding=True, return_token_type_ids=True, return_tensors="pt")
        assert told["token_type_ids"][:, -1].tolist() == [2] * 4
        padding = told["attention_mask"] == 0
        shifts = padding.sum(1).tolist()
        right = [
            torch.stack([torch.roll(row, -shift) for row, shift in zip(tensor, shifts, strict=True)])
            for tensor in (told["input_ids"], padding, told["token_type_ids"] * ~padding)
        ]
        assert right[1][2, -1]
        with torch.no_grad():
            torch.testing.assert_close(ours(*right), theirs(**told).logits, atol=1e-4, rtol=0)
