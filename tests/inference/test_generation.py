"""Token ids in, token ids out: equal to Hugging Face's `generate`, and the same alone as among others."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel
from transformers.generation import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from fathom.errors import DataError, ModelFolderError, SettingsError
from fathom.families import FAMILIES
from fathom.inference import generate_tokens, make_settings, stream_tokens
from fathom.inference.decoding import CausalDecoder, Draft
from fathom.inference.generation import BATCH_TOKENS, NEW_TOKENS, WritingModel, plan
from fathom.inference.sampling import choose_tokens, draw, generator_for, penalise_repetition, restrict
from fathom.inference.settings import GenerationSettings
from fathom.model import EncoderDecoder, LanguageModel, make_model
from tests import tiny

VOCABULARY, LONGEST, NEW, PAD = 40, 64, 12, 1
PROMPTS = [[5, 6, 7, 8], [9, 3], [11, 12, 13, 14, 15, 16, 17]]
CONFIGS: dict[str, dict[str, Any]] = {
    "gpt2": {"n_positions": LONGEST, "n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.25},
    "llama": {
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "initializer_range": 0.25,
        "max_position_embeddings": LONGEST,
    },
    "marian": {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 48,
        "max_position_embeddings": LONGEST,
        "decoder_start_token_id": PAD,
        "forced_eos_token_id": None,
        "init_std": 0.5,
    },
}
CLASSES = {
    "gpt2": transformers.GPT2LMHeadModel,
    "llama": transformers.LlamaForCausalLM,
    "marian": transformers.MarianMTModel,
}


def theirs(name: str, seed: int = 0) -> PreTrainedModel:
    """A random model whose logits differ enough that answers do not repeat one token."""
    torch.manual_seed(seed)
    values = {"vocab_size": VOCABULARY, "pad_token_id": PAD, "bos_token_id": None}
    config = transformers.AutoConfig.for_model(name, **values, eos_token_id=None, **CONFIGS[name])
    return CLASSES[name](config).eval()


def ours(model: PreTrainedModel) -> WritingModel:
    """The same weights."""
    family = FAMILIES[model.config.model_type]
    task = "translation" if "translation" in family.heads else "causal"
    config = family.read_config({key: value for key, value in model.config.to_dict().items() if not key.startswith("_")})
    made = make_model(task, config)
    made.load_state_dict(family.to_ours(model.state_dict(), config, task).ours)
    assert isinstance(made, LanguageModel | EncoderDecoder)
    return made.eval()


@pytest.fixture(scope="module", params=CONFIGS)
def pair(request: pytest.FixtureRequest) -> tuple[PreTrainedModel, WritingModel]:
    model = theirs(request.param)
    return model, ours(model)


@pytest.fixture(scope="module")
def causal() -> LanguageModel:
    model = ours(theirs("llama"))
    assert isinstance(model, LanguageModel)
    return model


def their_answers(model: PreTrainedModel, prompts: Sequence[Sequence[int]], ends: Sequence[int], **how: Any) -> list[list[int]]:
    """Token ids that Hugging Face's `generate` writes, without what fills up short rows."""
    encodes = model.config.is_encoder_decoder
    longest = max(map(len, prompts))
    rows, mask = [], []
    for prompt in prompts:
        pad = longest - len(prompt)
        rows.append([*prompt, *[PAD] * pad] if encodes else [*[PAD] * pad, *prompt])
        mask.append([1] * len(prompt) + [0] * pad if encodes else [0] * pad + [1] * len(prompt))
    never = {"bad_words_ids": [[PAD]]} if encodes else {}
    found = model.generate(
        torch.tensor(rows),
        attention_mask=torch.tensor(mask),
        max_new_tokens=NEW,
        eos_token_id=list(ends) or None,
        pad_token_id=PAD,
        do_sample=False,
        **never,
        **how,
    )
    answers = []
    for row in found[:, 1 if encodes else longest :].tolist():
        end = next((place for place, token in enumerate(row) if token in ends), len(row))
        assert set(row[end + 1 :]) <= {PAD}
        answers.append(row[: end + 1])
    return answers


def our_answers(model: WritingModel, prompts: Sequence[Sequence[int]], ends: Sequence[int], **how: Any) -> list[Draft]:
    found = generate_tokens(model, prompts, make_settings(max_new_tokens=NEW, **how), end_ids=ends)
    return [answer for its in found for answer in its]


SEARCHES = [
    {"beams": beams, "length_penalty": penalty, "early_stopping": stopping, "samples": samples}
    for beams, penalty, stopping, samples in itertools.product((2, 5), (-1.0, 0.0, 1.0, 2.0), (True, False, "never"), (1, 2))
]


def check_search(pair: tuple[PreTrainedModel, WritingModel], ends: Sequence[int], how: dict[str, Any], **more: Any) -> int:
    """Compares, and counts answers that ended early."""
    names = {"beams": "num_beams", "samples": "num_return_sequences"}
    expected = their_answers(pair[0], PROMPTS, ends, **{names.get(name, name): value for name, value in how.items()}, **more)
    found = our_answers(pair[1], PROMPTS, ends, **how, **more)
    assert [answer.token_ids for answer in found] == expected
    assert all((answer.finish == "eos") == (answer.token_ids[-1] in ends) for answer in found)
    return sum(len(answer.token_ids) < NEW for answer in found)


@pytest.mark.parametrize("ends", [(), (3,), (3, 7, 20)])
def test_greedy_is_theirs(pair: tuple[PreTrainedModel, WritingModel], ends: tuple[int, ...]) -> None:
    found = our_answers(pair[1], PROMPTS, ends)
    assert [answer.token_ids for answer in found] == their_answers(pair[0], PROMPTS, ends)


def test_beam_search_is_theirs(pair: tuple[PreTrainedModel, WritingModel]) -> None:
    early = sum(check_search(pair, (3, 7, 20), how) for how in SEARCHES[::5])
    assert early
    check_search(pair, (), SEARCHES[-1])
    check_search(pair, (3,), SEARCHES[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(3))
def test_beam_search_is_theirs_in_every_way(name: str, seed: int) -> None:
    model = theirs(name, seed)
    both = model, ours(model)
    for ends in ((), (3,), (3, 7, 20)):
        for how in SEARCHES:
            check_search(both, ends, how)


def test_a_repetition_penalty_is_theirs(pair: tuple[PreTrainedModel, WritingModel]) -> None:
    model, mine = pair
    for prompt in PROMPTS:  # alone: theirs also penalises what fills up short rows
        found = our_answers(mine, [prompt], (3,), repetition_penalty=1.7)
        assert found[0].token_ids == their_answers(model, [prompt], (3,), repetition_penalty=1.7)[0]
        searched = our_answers(mine, [prompt], (3,), repetition_penalty=1.7, beams=3)
        assert searched[0].token_ids == their_answers(model, [prompt], (3,), repetition_penalty=1.7, num_beams=3)[0]


@pytest.mark.parametrize(
    "how",
    [
        {"temperature": 0.7},
        {"temperature": 1.3, "top_k": 5},
        {"temperature": 1.0, "top_k": 100},
        {"temperature": 0.9, "top_p": 0.8},
        {"temperature": 1.0, "top_p": 0.01},
        {"temperature": 1.0, "top_p": 1.0},
        {"temperature": 1.5, "min_p": 0.1},
        {"temperature": 1.0, "min_p": 1.0},
        {"temperature": 0.8, "top_k": 20, "top_p": 0.9, "min_p": 0.05},
    ],
)
def test_what_may_be_drawn_is_theirs(how: dict[str, Any]) -> None:
    scores = 3 * torch.randn(64, 50, generator=torch.Generator().manual_seed(1))
    warpers = LogitsProcessorList([TemperatureLogitsWarper(how["temperature"])])
    if "top_k" in how:
        warpers.append(TopKLogitsWarper(how["top_k"]))
    if "top_p" in how:
        warpers.append(TopPLogitsWarper(how["top_p"]))
    if "min_p" in how:
        warpers.append(MinPLogitsWarper(how["min_p"]))
    expected = warpers(torch.zeros(64, 1, dtype=torch.long), scores.clone()).softmax(dim=-1)
    found = restrict(scores, make_settings(**how)).softmax(dim=-1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert torch.equal(found == 0, expected == 0)


def test_repetition_penalty_of_scores_is_theirs() -> None:
    scores = torch.randn(8, 50)
    histories = torch.randint(0, 50, (8, 20))
    for penalty in (0.5, 1.0, 1.8):
        expected = RepetitionPenaltyLogitsProcessor(penalty)(histories, scores.clone())
        torch.testing.assert_close(penalise_repetition(scores, histories.tolist(), penalty), expected, atol=1e-6, rtol=0)


@given(st.floats(1e-30, 1e30), st.integers(1, 60), st.floats(1e-9, 1), st.floats(0, 1), st.integers(0, 2**32))
def test_something_may_always_be_drawn(temperature: float, top_k: int, top_p: float, min_p: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = 1e4 * torch.randn(3, 50, generator=generator)
    allowed = restrict(scores, make_settings(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p))
    assert not allowed.isnan().any()
    drawn = draw(allowed, [generator] * 3)
    assert allowed.gather(1, drawn[:, None]).isfinite().all()


def test_tokens_are_drawn_as_often_as_they_are_likely() -> None:
    probabilities = torch.tensor([0.5, 0.25, 0.0, 0.15, 0.1])
    rows = 20_000
    drawn = draw(probabilities.log().expand(rows, 5), [generator_for(0, sample, [1, 2]) for sample in range(rows)])
    expected = probabilities * rows
    counts = drawn.bincount(minlength=5)
    assert counts[2] == 0
    chi2 = ((counts - expected) ** 2 / expected)[expected > 0].sum()
    assert chi2 < 16.3  # 99.9 % of χ² with 3 degrees of freedom


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"beams": 3},
        {"temperature": 1.0, "seed": 5},
        {"temperature": 1.5, "top_p": 0.9, "samples": 3},
        {"repetition_penalty": 1.5},
    ],
)
def test_an_answer_is_the_same_alone_and_among_others(pair: tuple[PreTrainedModel, WritingModel], how: dict[str, Any]) -> None:
    prompts = [*PROMPTS, [4], [2, 2, 2, 2, 2], PROMPTS[0]]
    together = our_answers(pair[1], prompts, (3, 7), **how)
    alone = [answer for prompt in prompts for answer in our_answers(pair[1], [prompt], (3, 7), **how)]
    assert [answer.token_ids for answer in together] == [answer.token_ids for answer in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)
        assert one.finish == other.finish


def test_the_same_seed_gives_the_same_answer_and_another_seed_another(causal: LanguageModel) -> None:
    def written(**how: Any) -> list[list[int]]:
        return [answer.token_ids for answer in our_answers(causal, PROMPTS, (), temperature=1.0, samples=3, **how)]

    torch.manual_seed(1)
    first = written(seed=1)
    torch.manual_seed(2)
    assert written(seed=1) == first
    assert written(seed=2) != first
    assert len({tuple(answer) for answer in first}) == len(first)


def test_the_global_random_state_is_left_alone(causal: LanguageModel) -> None:
    before = torch.get_rng_state()
    our_answers(causal, PROMPTS, (), temperature=1.0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("how", [{}, {"beams": 4, "samples": 2}, {"temperature": 1.2, "top_k": 10, "repetition_penalty": 1.3}])
def test_log_probability_is_the_models_own(pair: tuple[PreTrainedModel, WritingModel], how: dict[str, Any]) -> None:
    model, mine = pair
    for answer in our_answers(mine, PROMPTS, (3, 7, 20), **how):
        prompt, written = torch.tensor([answer.prompt_ids]), torch.tensor([answer.token_ids])
        if model.config.is_encoder_decoder:
            logits = model(prompt, decoder_input_ids=torch.cat([torch.tensor([[PAD]]), written[:, :-1]], 1)).logits
        else:
            logits = model(torch.cat([prompt, written[:, :-1]], 1)).logits[:, prompt.shape[1] - 1 :]
        expected = logits.detach().log_softmax(-1).gather(2, written[..., None]).sum()
        assert answer.log_probability == pytest.approx(float(expected), abs=1e-3)


def test_steps_with_a_cache_are_the_whole_pass(causal: LanguageModel) -> None:
    decoder = CausalDecoder(causal, PROMPTS)
    found = decoder.start()
    rows = [list(prompt) for prompt in PROMPTS]
    generator = torch.Generator().manual_seed(0)
    for chosen in ([0, 1, 2], [2, 2, 0, 1], [1, 3], [0, 1, 1], [0, 1, 2]):
        torch.testing.assert_close(found, torch.stack([whole(causal, row) for row in rows]), atol=1e-4, rtol=0)
        tokens = torch.randint(0, VOCABULARY, (len(chosen),), generator=generator).tolist()
        rows = [[*rows[row], token] for row, token in zip(chosen, tokens, strict=True)]
        found = decoder.step(tokens, chosen)
    torch.testing.assert_close(found, torch.stack([whole(causal, row) for row in rows]), atol=1e-4, rtol=0)


def whole(model: LanguageModel, row: list[int]) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model(torch.tensor([row]))[0, -1]
    return logits


def test_a_stream_brings_each_token_and_then_why_it_ended(causal: LanguageModel) -> None:
    expected = our_answers(causal, PROMPTS[:1], (3, 7, 20), temperature=1.0)[0]
    settings = make_settings(max_new_tokens=NEW, temperature=1.0)
    seen = [(answer.token_ids[-1], answer.finish) for answer in stream_tokens(causal, PROMPTS[0], settings, end_ids=(3, 7, 20))]
    assert [token for token, _ in seen] == expected.token_ids
    assert [finish for _, finish in seen] == [None] * (len(seen) - 1) + [expected.finish]


def test_streams_do_not_disturb_each_other(causal: LanguageModel) -> None:
    settings = make_settings(max_new_tokens=NEW, temperature=1.0)
    streams = [stream_tokens(causal, prompt, settings) for prompt in PROMPTS]
    mixed = [[answer.token_ids[-1] for answer in step] for step in zip(*streams, strict=True)]
    alone = [answer.token_ids for answer in our_answers(causal, PROMPTS, (), temperature=1.0)]
    assert [list(column) for column in zip(*mixed, strict=True)] == alone


def test_what_cannot_be_streamed_says_so(causal: LanguageModel) -> None:
    for how in ({"beams": 2}, {"samples": 2, "temperature": 1.0}):
        with pytest.raises(SettingsError, match="cannot be streamed"):
            stream_tokens(causal, [1, 2], make_settings(**how))


def test_stops_are_asked_of_greedy_and_searched_answers(causal: LanguageModel) -> None:
    greedy = our_answers(causal, PROMPTS[:1], ())[0].token_ids
    settings = make_settings(max_new_tokens=NEW)
    found = generate_tokens(causal, PROMPTS[:1], settings, stops=lambda answer: answer.token_ids[-2:] == greedy[3:5])[0][0]
    assert (found.token_ids, found.finish) == (greedy[:5], "stop")
    searched = generate_tokens(
        causal, PROMPTS, make_settings(max_new_tokens=NEW, beams=3, samples=3), stops=lambda answer: len(answer.token_ids) == 4
    )
    assert {(len(answer.token_ids), answer.finish) for its in searched for answer in its} == {(4, "stop")}
    assert all(len(its) == 3 for its in searched)


def test_a_beam_search_wider_than_the_vocabulary_gives_what_there_is(causal: LanguageModel) -> None:
    found = generate_tokens(causal, PROMPTS, make_settings(max_new_tokens=2, beams=60, samples=50), end_ids=(3,))
    assert all(len({tuple(answer.token_ids) for answer in its}) == 50 for its in found)


@pytest.mark.parametrize(
    ("prompt", "how", "reason"),
    [
        ([], {}, "has no tokens"),
        ([5, VOCABULARY], {}, f"0 to {VOCABULARY - 1}"),
        ([5, -1], {}, f"0 to {VOCABULARY - 1}"),
        ([5] * 60, {"max_new_tokens": 5}, "60 tokens, which leaves room for 4 more"),
        ([5] * LONGEST, {}, "64 tokens, which leaves room for 0 more"),
        ([5] * (LONGEST + 9), {}, "73 tokens, which leaves room for 0 more"),
        ([5], {"max_new_tokens": LONGEST + 1}, "max_new_tokens is 65"),
    ],
)
def test_what_leaves_no_room_is_refused(causal: LanguageModel, prompt: list[int], how: dict[str, Any], reason: str) -> None:
    for run in (
        lambda: generate_tokens(causal, [[1], prompt], make_settings(**how)),
        lambda: stream_tokens(causal, prompt, make_settings(**how)),
    ):
        with pytest.raises((DataError, SettingsError), match=reason):
            run()


def test_without_a_limit_an_answer_fills_the_model(causal: LanguageModel) -> None:
    found = generate_tokens(causal, [[5] * 60, [5], [5] * 63], make_settings())
    assert [len(its[0].token_ids) for its in found] == [4, 63, 1]
    assert {its[0].finish for its in found} == {"length"}


def test_a_model_that_sees_both_sides_does_not_write() -> None:
    with pytest.raises(SettingsError, match="does not write"):
        generate_tokens(LanguageModel(tiny.config()), [[1, 2]], make_settings())


def test_logits_that_are_no_numbers_are_an_error() -> None:
    model = ours(theirs("gpt2"))
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    with pytest.raises(ModelFolderError, match="not numbers"):
        generate_tokens(model, [[1, 2]], make_settings())


@given(
    st.lists(st.tuples(st.integers(1, 500), st.integers(1, 300)), max_size=40),
    st.integers(1, 8),
    st.booleans(),
)
def test_a_plan_holds_every_prompt_once_and_no_batch_outgrows_the_model(
    sizes: list[tuple[int, int]], beams: int, shared: bool
) -> None:
    lengths, limits = [length for length, _ in sizes], [limit for _, limit in sizes]
    batches = plan(lengths, limits, make_settings(beams=beams), 800 if shared else None)
    assert sorted(number for batch in batches for number in batch) == list(range(len(sizes)))
    for batch in batches:
        size = max(lengths[number] for number in batch) + max(limits[number] for number in batch)
        assert size <= 800 or not shared
        assert len(batch) == 1 or len(batch) * beams * size <= BATCH_TOKENS


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"beams": 2, "temperature": 0.5}, "choose one"),
        ({"top_k": 5}, "top_k restrict"),
        ({"top_p": 0.5, "min_p": 0.1}, "top_p, min_p restrict"),
        ({"length_penalty": 2.0}, "set beams above 1"),
        ({"early_stopping": "never"}, "set beams above 1"),
        ({"samples": 2}, "greedy answers are all the same"),
        ({"samples": 3, "beams": 2}, "greedy answers are all the same"),
        ({"temperature": -1}, "temperature: "),
        ({"temperature": float("nan")}, "temperature: "),
        ({"top_p": 0, "temperature": 1}, "top_p: "),
        ({"top_p": 1.1, "temperature": 1}, "top_p: "),
        ({"min_p": 1.1, "temperature": 1}, "min_p: "),
        ({"top_k": 0, "temperature": 1}, "top_k: "),
        ({"max_new_tokens": 0}, "max_new_tokens: "),
        ({"repetition_penalty": 0}, "repetition_penalty: "),
        ({"stop": ("",)}, "stop.0: "),
        ({"seed": -1}, "seed: "),
        ({"tempreature": 1}, "tempreature: "),
    ],
)
def test_settings_that_contradict_or_are_out_of_range_are_refused(how: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        make_settings(**how)


def test_greedy_is_the_default_and_takes_no_random_numbers() -> None:
    assert not GenerationSettings().sampled
    tokens, likely = choose_tokens(torch.tensor([[0.0, 2.0, 1.0]]), [[]], GenerationSettings(), [torch.Generator()])
    assert tokens == [1]
    assert likely[0] == pytest.approx(float(torch.tensor([0.0, 2.0, 1.0]).log_softmax(-1)[1]))
    assert NEW_TOKENS == 256
