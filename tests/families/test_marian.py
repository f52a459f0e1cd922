"""The encoder-decoder's own: two stacks, a view across, a cache for both, sines and cosines, a bias that is not trained."""

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

from fathom.checkpoint import load_model
from fathom.errors import ModelFolderError
from fathom.families import MARIAN
from fathom.model import EncoderDecoder
from fathom.model.positions import SinusoidalPositions
from tests.families.reference import batch, reference, saved
from tests.tiny import config


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderDecoder, PreTrainedModel]:
    theirs = reference("marian", "translation")
    theirs.final_logits_bias.copy_(torch.randn_like(theirs.final_logits_bias))
    ours = load_model(saved(theirs, tmp_path_factory.mktemp("marian"))).model
    assert isinstance(ours, EncoderDecoder)
    return ours, theirs


def source_and_target() -> tuple[Tensor, Tensor, Tensor]:
    source, padding = batch(0)
    return source, padding, torch.randint(5, 200, (4, 15))


def test_both_stacks_equal_the_reference_state_for_state(pair: tuple[EncoderDecoder, PreTrainedModel]) -> None:
    ours, theirs = pair
    source, padding, target = source_and_target()
    with torch.no_grad():
        expected = theirs(source, attention_mask=(~padding).long(), decoder_input_ids=target, output_hidden_states=True)
        read = ours.encode(source, padding)
        states = ours.encoder.hidden_states(source, padding)
        assert torch.equal(states[-1], read)
        for mine, their in zip(states, expected.encoder_hidden_states, strict=True):
            torch.testing.assert_close(mine[~padding], their[~padding], atol=1e-4, rtol=0)
        written = ours.decoder.hidden_states(
            target,
            token_vectors=torch.nn.functional.embedding(target, ours.encoder.token_table),
            context=read,
            context_padding_mask=padding,
        )
        for mine, their in zip(written, expected.decoder_hidden_states, strict=True):
            torch.testing.assert_close(mine, their, atol=1e-4, rtol=0)
        torch.testing.assert_close(ours(source, target, padding), expected.logits, atol=1e-4, rtol=0)


def test_bias_counts_and_is_kept(pair: tuple[EncoderDecoder, PreTrainedModel]) -> None:
    ours, theirs = pair
    assert torch.equal(ours.bias, theirs.final_logits_bias[0])
    assert ours.bias.abs().min() > 0
    assert "bias" not in dict(ours.named_parameters())
    source, padding, target = source_and_target()
    with torch.no_grad():
        with_bias = ours(source, target, padding)
        ours.bias += 1.5
        torch.testing.assert_close(ours(source, target, padding), with_bias + 1.5, atol=1e-5, rtol=0)
        ours.bias -= 1.5


@pytest.mark.parametrize("padded", [False, True])
def test_decoder_with_a_cache_equals_one_pass(pair: tuple[EncoderDecoder, PreTrainedModel], padded: bool) -> None:
    ours, theirs = pair
    source, padding, target = source_and_target()
    hidden = padding if padded else None
    with torch.no_grad():
        read = ours.encode(source, hidden)
        everything = ours.decode(target, read, hidden)
        cache, parts = ours.new_cache(), []
        for start, end in ((0, 1), (1, 2), (2, 9), (9, 15)):
            parts.append(ours.decode(target[:, start:end], read, hidden, cache=cache))
        torch.testing.assert_close(torch.cat(parts, 1), everything, atol=1e-5, rtol=0)
        mask = None if hidden is None else (~hidden).long()
        first = theirs(source, attention_mask=mask, decoder_input_ids=target[:, :9], use_cache=True)
        rest = theirs(
            encoder_outputs=(first.encoder_last_hidden_state,),
            attention_mask=mask,
            decoder_input_ids=target[:, 9:],
            past_key_values=first.past_key_values,
        ).logits
        torch.testing.assert_close(parts[-1], rest, atol=1e-4, rtol=0)


def test_decoder_keeps_keys_of_the_source_and_reads_it_once(pair: tuple[EncoderDecoder, PreTrainedModel]) -> None:
    ours, _ = pair
    source, padding, target = source_and_target()
    with torch.no_grad():
        read, cache = ours.encode(source, padding), ours.new_cache()
        ours.decode(target[:, :3], read, padding, cache=cache)
        assert all(store.length == source.shape[1] and store.complete for store in cache.contexts)
        expected = ours.decode(target[:, 3:5], read, padding, cache=ours_copy(ours, target, read, padding))
        forgotten = torch.full_like(read, float("nan"))  # nothing is taken from it again
        torch.testing.assert_close(ours.decode(target[:, 3:5], forgotten, padding, cache=cache), expected, atol=0, rtol=0)


def ours_copy(ours: EncoderDecoder, target: Tensor, read: Tensor, padding: Tensor) -> object:
    cache = ours.new_cache()
    ours.decode(target[:, :3], read, padding, cache=cache)
    return cache


def test_select_reorders_both_texts(pair: tuple[EncoderDecoder, PreTrainedModel]) -> None:
    ours, _ = pair
    source, padding, target = source_and_target()
    rows = torch.tensor([3, 1, 1])
    with torch.no_grad():
        read, cache = ours.encode(source, padding), ours.new_cache()
        ours.decode(target[:, :7], read, padding, cache=cache)
        cache.select(rows)
        found = ours.decode(target[:, 7:8][rows], read[rows], padding[rows], cache=cache)
        expected = ours.decode(target[:, :8], read, padding)[rows, -1:]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_source_padding_is_never_seen(pair: tuple[EncoderDecoder, PreTrainedModel]) -> None:
    ours, _ = pair
    source, padding, target = source_and_target()
    read = ours.encode(source, padding).detach().requires_grad_()
    ours.decode(target, read, padding).square().sum().backward()
    assert read.grad is not None
    assert (read.grad[padding] == 0).all()
    assert (read.grad[~padding].abs().amax(-1) > 0).all()
    with torch.no_grad():
        changed = torch.where(padding, torch.randint_like(source, 200), source)
        torch.testing.assert_close(ours(changed, target, padding), ours(source, target, padding), atol=0, rtol=0)
        for row, length in enumerate((20, 13, 7, 1)):
            alone = ours(source[row : row + 1, :length], target[row : row + 1])
            torch.testing.assert_close(ours(source, target, padding)[row : row + 1], alone, atol=1e-4, rtol=0)


def test_decoder_never_looks_ahead_and_target_padding_changes_nothing(pair: tuple[EncoderDecoder, PreTrainedModel]) -> None:
    ours, _ = pair
    source, padding, target = source_and_target()
    changed = target.clone()
    changed[:, 9:] = torch.randint(5, 200, (4, 6))
    with torch.no_grad():
        whole = ours(source, target, padding)
        torch.testing.assert_close(ours(source, changed, padding)[:, :9], whole[:, :9], atol=0, rtol=0)
        left = torch.cat([torch.zeros(4, 3, dtype=torch.long), target], 1)
        hidden = (torch.arange(18) < 3).expand(4, -1)
        torch.testing.assert_close(ours(source, left, padding, hidden)[:, 3:], whole, atol=1e-4, rtol=0)


@pytest.mark.parametrize("width", [2, 7, 16, 33])
def test_sinusoidal_table_equals_the_references(width: int) -> None:
    expected = MarianSinusoidalPositionalEmbedding(60, width).create_weight()
    torch.testing.assert_close(SinusoidalPositions(60, width, halves=True).table, expected, atol=1e-5, rtol=0)


def test_a_pair_of_stacks_needs_a_decoder() -> None:
    with pytest.raises(ValueError, match="decoder_depth is 0"):
        EncoderDecoder(config())


def test_configuration_of_published_translators_is_read() -> None:
    """Keys and values as the published folders have them."""
    published = {
        **{"activation_dropout": 0.0, "activation_function": "swish", "add_bias_logits": False, "add_final_layer_norm": False},
        **{"attention_dropout": 0.0, "bad_words_ids": [[53684]], "bos_token_id": 0, "classif_dropout": 0.0},
        **{"classifier_dropout": 0.0, "d_model": 512, "decoder_attention_heads": 8, "decoder_ffn_dim": 2048},
        **{"decoder_layerdrop": 0.0, "decoder_layers": 6, "decoder_start_token_id": 53684, "decoder_vocab_size": 53685},
        **{"dropout": 0.1, "encoder_attention_heads": 8, "encoder_ffn_dim": 2048, "encoder_layerdrop": 0.0},
        **{"encoder_layers": 6, "eos_token_id": 0, "extra_pos_embeddings": 53685, "forced_eos_token_id": 0, "init_std": 0.02},
        **{"is_decoder": False, "is_encoder_decoder": True, "max_length": 512, "max_position_embeddings": 512},
        **{"model_type": "marian", "normalize_before": False, "normalize_embedding": False, "num_beams": 4},
        **{"num_hidden_layers": 6, "pad_token_id": 53684, "scale_embedding": True, "share_encoder_decoder_embeddings": True},
        **{"static_position_embeddings": True, "transformers_version": "4.22.0", "use_cache": True, "vocab_size": 53685},
    }
    found = MARIAN.read_config(published)
    assert (found.depth, found.decoder_depth, found.start_id, found.pad_id) == (6, 6, 53684, 53684)
    with pytest.raises(ModelFolderError, match="decoder_attention_heads says 4, another key 8"):
        MARIAN.read_config({**published, "decoder_attention_heads": 4})
