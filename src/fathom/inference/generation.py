"""Token ids in, token ids out: how a language model continues prompts.

    generate_tokens(model, [[5, 7, 9], [4]], GenerationSettings(beams=4), end_ids=[2])      -> answers to each prompt
    for answer in stream_tokens(model, [5, 7, 9], GenerationSettings()): answer.token_ids[-1]    each token as it comes

Prompts of about the same length are read together, padded on the left. What stands beside a prompt does not change its answer,
but for the last digits of floating-point sums.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from fathom.errors import DataError, SettingsError
from fathom.inference.beam import beam_search
from fathom.inference.decoding import CausalDecoder, Decoder, Draft, Ending, TranslationDecoder
from fathom.inference.sampling import choose_tokens, generator_for
from fathom.inference.settings import GenerationSettings
from fathom.model import EncoderDecoder, LanguageModel
from fathom.model.precision import Precision

WritingModel = LanguageModel | EncoderDecoder

NEW_TOKENS = 256  # where the settings do not say
BATCH_TOKENS = 8192  # of prompts and answers, padding included, in the cache of one batch


def make_settings(**values: Any) -> GenerationSettings:
    """Settings from keyword arguments.

    Raises:
        SettingsError: unknown, out of range or contradictory; all complaints at once.
    """
    try:
        return GenerationSettings(**values)
    except ValidationError as error:
        found = [(".".join(map(str, each["loc"])), each["msg"].removeprefix("Value error, ")) for each in error.errors()]
        complaints = "; ".join(f"{name}: {message}" if name else message for name, message in found)
        unknown = any(each["type"] == "extra_forbidden" for each in error.errors())
        known = f"some of {', '.join(GenerationSettings.model_fields)}" if unknown else None
        raise SettingsError(f"no text can be generated with these settings: {complaints}", expected=known) from error


def generate_tokens(
    model: WritingModel,
    prompts: Sequence[Sequence[int]],
    settings: GenerationSettings,
    *,
    end_ids: Iterable[int] = (),
    stops: Callable[[Draft], bool] | None = None,
    precision: Precision = "float32",
) -> list[list[Draft]]:
    """For each prompt `settings.samples` answers.

    Args:
        model: causal, or one that writes a text from another (the prompt); in evaluation mode.
        prompts: token ids, at least one each, with all special tokens that the model expects.
        end_ids: tokens that end an answer.
        stops: asked after each token whether an answer holds a stop string.

    Returns:
        In the order of the prompts; of a beam search the best answer first.

    Raises:
        DataError: an empty prompt, a token id that the model does not have, a prompt that leaves no room for the answer.
        SettingsError: more new tokens than the model holds, or a model that is not causal.
    """
    ending = Ending(frozenset(end_ids), stops)
    limits = answer_limits(model, prompts, settings)
    answers: list[list[Draft]] = [[] for _ in prompts]
    longest = model.config.max_length if isinstance(model, LanguageModel) else None
    for numbers in plan(list(map(len, prompts)), limits, settings, longest):
        batch, allowed = [prompts[number] for number in numbers], [limits[number] for number in numbers]
        decoder = make_decoder(model, batch, precision)
        if settings.beams > 1:
            found = beam_search(decoder, batch, allowed, settings, ending)
        else:
            found = fresh_answers(batch, settings)
            for _ in write(decoder, found, allowed, settings, ending):
                pass
        for number, its in zip(numbers, found, strict=True):
            answers[number] = its
    return answers


def stream_tokens(
    model: WritingModel,
    prompt: Sequence[int],
    settings: GenerationSettings,
    *,
    end_ids: Iterable[int] = (),
    stops: Callable[[Draft], bool] | None = None,
    precision: Precision = "float32",
) -> Iterator[Draft]:
    """The same for one prompt: its answer, after each token that it gets; the last time, `finish` says why it is over.

    Raises:
        DataError: as above.
        SettingsError: several samples, or a beam search, which knows its answer only at the end.
    """
    if settings.beams > 1 or settings.samples > 1:
        raise SettingsError(f"{settings.beams} beams and {settings.samples} samples cannot be streamed", expected="one of each")
    limits = answer_limits(model, [prompt], settings)
    decoder = make_decoder(model, [prompt], precision)
    return write(decoder, fresh_answers([prompt], settings), limits, settings, Ending(frozenset(end_ids), stops))


def fresh_answers(prompts: Sequence[Sequence[int]], settings: GenerationSettings) -> list[list[Draft]]:
    """Answers that have no token yet."""
    return [[Draft(list(prompt)) for _ in range(settings.samples)] for prompt in prompts]


def write(
    decoder: Decoder,
    answers: Sequence[Sequence[Draft]],
    limits: Sequence[int],
    settings: GenerationSettings,
    ending: Ending,
) -> Iterator[Draft]:
    """Fills fresh answers, greedily or by drawing; yields each one whenever it got a token.

    Args:
        decoder: of the prompts, not started.
        answers: of each prompt.
        limits: tokens that an answer to each prompt may have at most.
    """
    started = time.perf_counter()
    going = [
        (answer, prompt, generator_for(settings.seed, sample, answer.prompt_ids))
        for prompt, its in enumerate(answers)
        for sample, answer in enumerate(its)
    ]
    rows = [prompt for _, prompt, _ in going]  # each reads the logits of its prompt; from then on each has a row
    logits = decoder.start()[rows]
    while going:
        histories = [decoder.history(answer) for answer, _, _ in going]
        generators = [generator for _, _, generator in going]
        chosen = choose_tokens(logits, histories, settings, generators, never=decoder.never)
        for (answer, prompt, _), token, log_probability in zip(going, *chosen, strict=True):
            answer.token_ids.append(token)
            answer.log_probability += log_probability
            answer.finish = ending.of(answer, limits[prompt])
            answer.seconds = time.perf_counter() - started
            yield answer
        kept = [place for place, (answer, _, _) in enumerate(going) if answer.finish is None]
        going = [going[place] for place in kept]
        if going:
            logits = decoder.step([answer.token_ids[-1] for answer, _, _ in going], [rows[place] for place in kept])
            rows = list(range(len(going)))


def make_decoder(model: WritingModel, prompts: Sequence[Sequence[int]], precision: Precision) -> Decoder:
    """How this kind of model writes behind these prompts.

    Raises:
        SettingsError: a language model that sees both sides of a token.
    """
    if isinstance(model, EncoderDecoder):
        return TranslationDecoder(model, prompts, precision=precision)
    if not model.config.causal:
        raise SettingsError("this language model fills in hidden tokens and does not write", expected="a causal one")
    return CausalDecoder(model, prompts, precision=precision)


def answer_limits(model: WritingModel, prompts: Sequence[Sequence[int]], settings: GenerationSettings) -> list[int]:
    """Tokens that an answer to each prompt may have at most.

    Raises:
        DataError: an empty prompt, a token id that the model does not have, a prompt that leaves no room.
    """
    longest, vocabulary = model.config.max_length, model.config.vocab_size
    wanted = settings.max_new_tokens or 1
    if wanted > longest:
        raise SettingsError(f"max_new_tokens is {wanted:,}", expected=f"at most {longest:,}, the model's longest text")
    limits = []
    for number, prompt in enumerate(prompts):
        if not prompt:
            raise DataError(f"prompt {number} has no tokens", expected="at least one to continue from")
        if not 0 <= min(prompt) <= max(prompt) < vocabulary:
            raise DataError(f"prompt {number} holds tokens {min(prompt)} to {max(prompt)}", expected=f"0 to {vocabulary - 1}")
        room = longest - len(prompt)
        if isinstance(model, EncoderDecoder) and room >= 0:
            room = longest  # prompt and answer go through different stacks
        if room < wanted:
            raise DataError(
                f"prompt {number} has {len(prompt):,} tokens, which leaves room for {max(room, 0):,} more",
                expected=f"room for {wanted:,}: the model holds {longest:,}",
                do="shorten the prompt, set a smaller max_new_tokens, or set cut_prompt to leave out its start",
            )
        limits.append(settings.max_new_tokens or min(NEW_TOKENS, room))
    return limits


def plan(
    lengths: Sequence[int], limits: Sequence[int], settings: GenerationSettings, max_length: int | None
) -> list[list[int]]:
    """Prompt numbers for each batch, the longest prompts first, so that memory runs out at once or never.

    Args:
        lengths: of the prompts.
        limits: of their answers.
        max_length: of a row, prompt and answer together. A short prompt may have room for more than a long one; they stand
            in one batch only where no row would outgrow this.
    """
    each = max(settings.beams, settings.samples)
    batches: list[list[int]] = []
    longest = limit = 0
    for number in sorted(range(len(lengths)), key=lambda number: -lengths[number]):
        limit = max(limit, limits[number])
        size = longest + limit
        full = bool(batches) and each * (len(batches[-1]) + 1) * size > BATCH_TOKENS
        if not batches or full or (max_length is not None and size > max_length):
            batches.append([])
            longest, limit = lengths[number], limits[number]
        batches[-1].append(number)
    return batches
