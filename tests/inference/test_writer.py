"""Text in, text out: stop strings, streams, prompts that are too long, and how the first word is spelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import fathom
from fathom.checkpoint import resolve_model
from fathom.checkpoint.gguf import read_gguf
from fathom.errors import DataError, SettingsError
from fathom.inference import Generation, Writer, make_settings
from fathom.inference.decoding import Draft
from fathom.model import EncoderDecoder, LanguageModel
from fathom.text import Tokenizer, train_bpe, train_unigram, train_wordpiece
from tests import tiny

TEXTS = [example.text for example in tiny.examples()]
END = 3  # [SEP]


def writer(tokenizer: Tokenizer, **changes: Any) -> Writer:
    fields = {"vocab_size": tokenizer.vocab_size, "causal": True, "segments": 0, "max_length": 64, "initializer_range": 0.2}
    torch.manual_seed(0)
    return Writer(LanguageModel(tiny.config(**{**fields, **changes})), tokenizer, end_ids=[END])


@pytest.fixture(scope="module")
def bpe() -> Writer:
    return writer(train_bpe(TEXTS, vocab_size=400, min_frequency=1))


class Script:
    """A decoder that writes what it is told, whatever the prompt."""

    never: Sequence[int] = ()

    def __init__(self, token_ids: Sequence[int], vocabulary: int) -> None:
        self.token_ids, self.vocabulary, self.place = token_ids, vocabulary, 0

    def start(self) -> Tensor:
        return self._logits(1)

    def step(self, token_ids: Sequence[int], rows: Sequence[int]) -> Tensor:
        self.place += 1
        return self._logits(len(rows))

    def history(self, answer: Draft) -> list[int]:
        return answer.both

    def _logits(self, rows: int) -> Tensor:
        logits = torch.zeros(rows, self.vocabulary)
        logits[:, self.token_ids[self.place]] = 50.0
        return logits


Says = Callable[[Writer, str], list[int]]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Says:
    """Lets a model write a text and end."""

    def write(model: Writer, text: str) -> list[int]:
        token_ids = [*model.tokenizer.prompt_ids(text), END]
        make = lambda *_: Script(token_ids, model.tokenizer.vocab_size)  # noqa: E731
        monkeypatch.setattr("fathom.inference.generation.make_decoder", make)
        return token_ids

    return write


def streamed(model: Writer, prompt: str, **how: Any) -> tuple[list[str], Generation]:
    pieces = list(model.stream(prompt, make_settings(**how)))
    assert all(piece.generation is None for piece in pieces[:-1])
    last = pieces[-1].generation
    assert last is not None
    assert "".join(piece.text for piece in pieces) == last.text
    return [piece.text for piece in pieces], last


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        (" a good story", (), " a good story"),
        (" a good story", (" story",), " a good"),
        (" a good story", ("oo",), " a g"),  # ends inside a token
        (" a good story", ("d st",), " a goo"),  # spans tokens
        (" a good story", (" good", "a go"), " "),  # the earlier one counts
        (" a good story", (" a good story",), ""),
        (" a good story", ("goods",), " a good story"),  # only begins
        ("好看的电影", ("电",), "好看的"),
        ("one\n\ntwo", ("\n\n",), "one"),
    ],
)
def test_writer_cuts_before_the_first_stop_string(
    bpe: Writer, says: Says, text: str, stops: tuple[str, ...], expected: str
) -> None:
    written = says(bpe, text)
    for generation in (bpe.generate(["a"], make_settings(stop=stops))[0], streamed(bpe, "a", stop=stops)[1]):
        assert generation.text == expected
        assert generation.finish == ("eos" if expected == text else "stop")
        assert generation.tokens <= len(written)
    if expected == text:
        assert generation.tokens == len(written)


def test_writer_stops_as_soon_as_the_stop_string_is_whole(bpe: Writer, says: Says) -> None:
    says(bpe, " a good story and a good story and a good story")
    generation = bpe.generate(["a"], make_settings(stop=("story",)))[0]
    assert generation.tokens == len(bpe.tokenizer.prompt_ids(" a good story"))


def test_writer_streams_no_half_characters_and_no_half_stop_strings(bpe: Writer, says: Says) -> None:
    says(bpe, "好看的电影 🎬 a good story")
    pieces, generation = streamed(bpe, "a", stop=("a good story",))
    assert generation.text == "好看的电影 🎬 "
    assert len(pieces) > 5
    assert not any("\ufffd" in piece for piece in pieces)
    shown = ""
    for piece in pieces:
        shown += piece
        assert not shown.endswith("a")


def test_writer_gives_at_the_end_what_looked_like_a_stop_string(bpe: Writer, says: Says) -> None:
    says(bpe, "dull END")
    pieces, generation = streamed(bpe, "a", stop=("ENDED",))
    assert generation.text == "dull END"
    assert "END" in pieces[-1]


@given(st.text(max_size=12), st.lists(st.text(min_size=1, max_size=3), max_size=3), st.data())
def test_writer_streams_what_it_generates(bpe: Writer, text: str, stops: list[str], data: st.DataObject) -> None:
    if text and data.draw(st.booleans()):
        start = data.draw(st.integers(0, len(text) - 1))
        stops = [*stops, text[start : start + 3]]
    with pytest.MonkeyPatch.context() as patch:
        token_ids = [*bpe.tokenizer.prompt_ids(text), END]
        patch.setattr("fathom.inference.generation.make_decoder", lambda *_: Script(token_ids, bpe.tokenizer.vocab_size))
        _, generation = streamed(bpe, "a", stop=tuple(stops))
        assert generation.text == bpe.generate(["a"], make_settings(stop=tuple(stops)))[0].text
    whole = bpe.tokenizer.decode(token_ids)
    assert generation.text == whole[: min((whole.find(stop) for stop in stops if stop in whole), default=len(whole))]


@pytest.mark.parametrize("train", [train_bpe, train_unigram, train_wordpiece])
def test_writer_spells_the_first_word_as_behind_the_prompt(train: Callable[..., Tokenizer], says: Says) -> None:
    model = writer(train(TEXTS, vocab_size=400 if train is train_bpe else 120, min_frequency=1))
    tokenizer = model.tokenizer
    says(model, " good story" if train is train_bpe else "good story")
    assert model.generate(["a"], make_settings())[0].text == " good story"
    assert streamed(model, "a")[1].text == " good story"
    assert tokenizer.decode(tokenizer.prompt_ids("a good story")) == "a good story"


@pytest.mark.parametrize("how", [{}, {"temperature": 1.0, "seed": 3}, {"beams": 3}])
def test_writer_streams_a_real_model(bpe: Writer, how: dict[str, Any]) -> None:
    for prompt in ("a joy", "", "电影", "\ud800"):
        pieces, generation = streamed(bpe, prompt, max_new_tokens=30, **how)
        again = bpe.generate([prompt], make_settings(max_new_tokens=30, **how))[0]
        assert (again.text, again.finish, again.tokens) == (generation.text, generation.finish, generation.tokens)
        assert (len(pieces) == 1) == ("beams" in how)


def test_writer_answers_in_the_order_of_prompts_and_samples(bpe: Writer) -> None:
    prompts = ["a joy from start to finish", "dull", "warm"]
    found = bpe.generate(prompts, make_settings(max_new_tokens=8, temperature=1.0, samples=2))
    assert [generation.prompt for generation in found] == [prompt for prompt in prompts for _ in range(2)]
    alone = bpe.generate(["dull"], make_settings(max_new_tokens=8, temperature=1.0, samples=2))
    assert [generation.text for generation in found[2:4]] == [generation.text for generation in alone]
    assert found[0].text != found[1].text
    assert all(generation.seconds > 0 and generation.log_probability < 0 for generation in found)
    assert bpe.generate([], make_settings()) == []


def test_writer_puts_before_a_prompt_what_the_vocabulary_does_and_nothing_after(bpe: Writer) -> None:
    found = bpe.generate(["a joy"], make_settings(max_new_tokens=1))[0]
    assert found.prompt_tokens == 1 + len(bpe.tokenizer.prompt_ids("a joy"))  # [CLS], no [SEP]
    framed = bpe.generate(["[CLS]a joy"], make_settings(max_new_tokens=1), framed=True)[0]
    assert framed.prompt_tokens == found.prompt_tokens
    assert framed.log_probability == pytest.approx(found.log_probability, abs=1e-6)


def test_writer_begins_an_empty_prompt_where_nothing_stands_before_a_text_with_an_ending_token(bpe: Writer) -> None:
    assert bpe.generate([""], make_settings(max_new_tokens=1), framed=True)[0].prompt_tokens == 1


def test_writer_refuses_a_prompt_that_is_too_long_or_cuts_it_when_asked(bpe: Writer) -> None:
    prompt = "dull and endless " * 40
    size = len(bpe.tokenizer.prompt_ids(prompt))
    with pytest.raises(DataError, match=rf"prompt 1 has {size + 1:,} tokens.*\n.*holds 64"):
        bpe.generate(["a", prompt], make_settings(max_new_tokens=10))
    cut = bpe.generate([prompt], make_settings(max_new_tokens=10, cut_prompt=True))[0]
    assert (cut.prompt_tokens, cut.unread) == (54, size - 53)
    kept = bpe.tokenizer.decode(bpe.tokenizer.prompt_ids(prompt)[-53:])
    assert cut.text == bpe.generate(["[CLS]" + kept], make_settings(max_new_tokens=10), framed=True)[0].text
    assert bpe.generate([prompt], make_settings(cut_prompt=True))[0].prompt_tokens == 32
    assert bpe.generate(["a"], make_settings(max_new_tokens=10, cut_prompt=True))[0].unread == 0


def test_writer_refuses_what_is_no_prompt(bpe: Writer) -> None:
    with pytest.raises(DataError, match="one string"):
        bpe.generate("a joy", make_settings())
    with pytest.raises(DataError, match="a text is None"):
        bpe.generate(["a", None], make_settings())  # type: ignore[list-item]
    with pytest.raises(SettingsError, match="2 samples cannot be streamed"):
        bpe.stream("a", make_settings(samples=2, temperature=1.0))


def test_writer_frames_and_decodes_what_an_encoder_decoder_reads_and_writes(bpe: Writer) -> None:
    torch.manual_seed(0)
    config = tiny.config(vocab_size=bpe.tokenizer.vocab_size, decoder_depth=2, start_id=0, segments=0, initializer_range=0.3)
    translator = Writer(EncoderDecoder(config), bpe.tokenizer, end_ids=[END])
    pieces, found = streamed(translator, "a joy", max_new_tokens=20)
    assert len(pieces) > 1
    assert found.prompt_tokens == 2 + len(bpe.tokenizer.prompt_ids("a joy"))  # [CLS] and [SEP]
    again = translator.generate(["dull and endless", "a joy"], make_settings(max_new_tokens=20))[1]
    assert (again.text, again.finish) == (found.text, found.finish)
    long = "dull and endless " * 40
    with pytest.raises(DataError, match="holds 32"):
        translator.generate([long], make_settings())
    assert translator.generate([long], make_settings(cut_prompt=True))[0].prompt_tokens == 32
    assert translator.generate([""], make_settings())[0].prompt_tokens == 2


def test_writer_without_a_chat_template_says_so(bpe: Writer) -> None:
    with pytest.raises(SettingsError, match="no chat template"):
        bpe.chat_prompt([{"role": "user", "content": "hello"}])


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"beams": 3, "length_penalty": 0.5}])
def test_writer_of_smollm2_writes_what_the_reference_does(how: dict[str, Any]) -> None:
    file = read_gguf(resolve_model("smollm2"))
    peer = transformers.LlamaForCausalLM(transformers.LlamaConfig(**file.config)).eval()
    peer.load_state_dict(dict(file.tensors), strict=False)  # the head is the token table
    peer.tie_weights()
    model = fathom.load("smollm2").writer
    prompts = [
        model.chat_prompt([{"role": "user", "content": text}])
        for text in ("What is a lighthouse? Answer in one sentence.", "Name three colours.", "What is 2 + 2?")
    ]
    found = model.generate(prompts, make_settings(max_new_tokens=24, **how), framed=True)
    names = {"beams": "num_beams"}
    for generation in found:
        token_ids = torch.tensor([model.tokenizer.prompt_ids(generation.prompt)])
        written = peer.generate(
            token_ids,
            attention_mask=torch.ones_like(token_ids),
            max_new_tokens=24,
            do_sample=False,
            **{names.get(name, name): value for name, value in how.items()},
        )
        assert generation.text == model.tokenizer.decode(written[0, token_ids.shape[1] :].tolist())
