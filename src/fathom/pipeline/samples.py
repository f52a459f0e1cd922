"""What a model makes of held-out text while it is trained, for a person to read.

causal     "the film was so | bad that I left before the end ."
others     a text, and the tokens that were asked for:   film → film ✓   boring → funny
"""

from __future__ import annotations

import torch
from torch import nn

from fathom.data import Batch
from fathom.inference import Writer, make_settings
from fathom.model import LanguageModel
from fathom.objectives import memory_aside
from fathom.objectives.answers import ordinary_tokens
from fathom.objectives.held_out import Answering
from fathom.text import Tokenizer

_PROMPT, _WRITTEN, _ASKED, _CHARACTERS = 12, 24, 8, 200
_PREFIXES = ("##", "Ġ", "▁", "Ċ")  # by which vocabularies mark where a token stands in its word


def sample(model: nn.Module, objective: Answering, batch: Batch, tokenizer: Tokenizer, *, seed: int) -> str:
    """One line about the first document of a batch; the model is in evaluation mode, torch's random state is left alone.

    Args:
        seed: the same one asks for the same tokens every time.
    """
    first = _first_text(batch, tokenizer)
    if not first.any():
        return "no sample: the first of the held-out texts holds nothing that the vocabulary knows"
    if isinstance(model, LanguageModel) and model.config.causal:
        return _continuation(model, batch, tokenizer)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad(), memory_aside(objective):
        found = objective.answers(model, batch.to(next(model.parameters()).device), generator)
    answers = next(each for each in (found if isinstance(found, list) else [found]) if each.question.about == "token")
    question = answers.question
    asked = ((question.rows == 0) & (question.columns <= int(first.nonzero().max()))).nonzero().flatten()
    asked = asked[question.columns[asked].argsort()][:_ASKED].cpu()
    pairs = zip(question.right.cpu()[asked].tolist(), answers.best.cpu()[asked].tolist(), strict=True)
    shown = [f"{_spelled(tokenizer, right)} → {_spelled(tokenizer, best)}{' ✓' * (right == best)}" for right, best in pairs]
    return f"“{tokenizer.decode(batch.token_ids[0][first].tolist())[:_CHARACTERS]}…”: {'   '.join(shown)}"


def _continuation(model: LanguageModel, batch: Batch, tokenizer: Tokenizer) -> str:
    ids = batch.token_ids[0][_first_text(batch, tokenizer)][: min(_PROMPT, model.config.max_length // 3)].tolist()
    prompt = tokenizer.decode(ids)
    ends = () if tokenizer.eos_id is None else (tokenizer.eos_id,)
    room = model.config.max_length - len(tokenizer.prompt_ids(prompt)) - len(tokenizer.frame_ids[0])
    written = Writer(model, tokenizer, end_ids=ends).generate([prompt], make_settings(max_new_tokens=min(_WRITTEN, room)))
    return f"“{prompt} | {written[0].text}”"


def _first_text(batch: Batch, tokenizer: Tokenizer) -> torch.Tensor:
    """(L,) booleans: ordinary tokens of the first text of the first row."""
    ordinary = ordinary_tokens(batch, tokenizer.special_ids)[0].cpu()
    return ordinary if batch.documents is None else ordinary & (batch.documents[0] == 0)


def _spelled(tokenizer: Tokenizer, token_id: int) -> str:
    token = tokenizer.id_to_token(token_id)
    return next((token.removeprefix(mark) for mark in _PREFIXES if token.startswith(mark) and token != mark), token)
