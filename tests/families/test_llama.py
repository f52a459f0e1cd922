"""SmolLM2-135M-Instruct, a real Llama decoder, from the packaged GGUF file: beside Hugging Face's, and asked something."""

import pytest
import torch
import transformers

from fathom.checkpoint import load_model, resolve_model
from fathom.checkpoint.gguf import read_gguf
from fathom.checkpoint.model_folder import LoadedModel
from fathom.model import Cache, LanguageModel

TEXTS = ("The capital of France is", "1, 2, 3, 4,", "def add(a, b):\n    return", "北京是中国的")


@pytest.fixture(scope="module")
def ours() -> LoadedModel:
    return load_model(resolve_model("smollm2"))


@pytest.fixture(scope="module")
def theirs() -> transformers.LlamaForCausalLM:
    """Their model around the tensors of the file, which tests/checkpoint/test_gguf.py compares with what they read of it."""
    file = read_gguf(resolve_model("smollm2"))
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**file.config))
    model = model.to_empty(device="cpu")
    model.load_state_dict(dict(file.tensors), strict=False)
    model.tie_weights()
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
    return model.eval()


def test_smollm2_states_and_logits_equal_the_reference_on_a_padded_batch_and_with_a_cache(
    ours: LoadedModel, theirs: transformers.LlamaForCausalLM
) -> None:
    assert isinstance(ours.model, LanguageModel)
    rows = [ours.tokenizer.prompt_ids(text) for text in TEXTS]
    longest = max(map(len, rows))
    padding = torch.tensor([[True] * (longest - len(row)) + [False] * len(row) for row in rows])
    token_ids = torch.tensor([[ours.tokenizer.pad_id] * (longest - len(row)) + row for row in rows])
    positions = ((~padding).cumsum(1) - 1).clamp(min=0)
    with torch.inference_mode():
        expected = theirs(token_ids, attention_mask=(~padding).long(), position_ids=positions, output_hidden_states=True)
        states = ours.model.transformer.hidden_states(token_ids, padding)
        for number, (mine, their) in enumerate(zip(states, expected.hidden_states, strict=True)):
            scale = max(1.0, their[~padding].abs().max().item())  # some entries are in the thousands
            torch.testing.assert_close(mine[~padding] / scale, their[~padding] / scale, atol=1e-4, rtol=0, msg=str(number))
        torch.testing.assert_close(ours.model.logits(states[-1])[~padding], expected.logits[~padding], atol=1e-4, rtol=0)
        cache = Cache(ours.model.config)
        ours.model(token_ids[:, :-1], padding[:, :-1], cache=cache)
        last = ours.model(token_ids[:, -1:], padding, cache=cache)
        torch.testing.assert_close(last, expected.logits[:, -1:], atol=1e-4, rtol=0)


def test_smollm2_continues_as_english_does(ours: LoadedModel) -> None:
    assert isinstance(ours.model, LanguageModel)
    for prompt, expected in (("The capital of France is", " Paris"), ("one, two, three,", " four")):
        with torch.inference_mode():
            best = ours.model(torch.tensor([ours.tokenizer.prompt_ids(prompt)]), only_last=True)[0, -1].argmax()
        assert ours.tokenizer.decode([int(best)]) == expected
