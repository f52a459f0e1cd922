"""What a model that learned from hidden tokens would put in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from fathom.errors import DataError
from fathom.model import LanguageModel, PretrainingModel
from fathom.text import Tokenizer


@dataclass(frozen=True, slots=True)
class Fill:
    """A token for a hidden place."""

    token: str
    probability: float
    text: str  # the text with it; with several hidden places, each filled by its best


class Filler:
    """Fills hidden places.

    Raises:
        DataError: the vocabulary has no token that hides.
    """

    def __init__(self, model: LanguageModel | PretrainingModel, tokenizer: Tokenizer, max_length: int) -> None:
        if tokenizer.mask_id is None:
            raise DataError("the vocabulary has no token that hides, such as [MASK]", expected="a masked language model's")
        self.model, self.tokenizer, self.max_length = model.eval(), tokenizer, max_length
        self.mask_id = tokenizer.mask_id

    @property
    def mark(self) -> str:
        """How a hidden place is written."""
        return self.tokenizer.id_to_token(self.mask_id)

    def fill(self, texts: Sequence[str], *, top: int = 5) -> list[list[list[Fill]]]:
        """For each text and each of its hidden places the likeliest tokens, best first.

        Raises:
            DataError: a text without a hidden place, or one that is too long to see all of it.
        """
        return [self._fill(text, top) for text in texts]

    def _fill(self, text: str, top: int) -> list[list[Fill]]:
        encoded = self.tokenizer.encode([text], max_length=self.max_length)[0][0]
        places = [place for place, token_id in enumerate(encoded.token_ids) if token_id == self.mask_id]
        if not places:
            raise DataError(f"{text[:60]!r} hides nothing", expected=f"{self.mark} where a token is to be filled in")
        if encoded.dropped:
            raise DataError(f"{text[:60]!r} is {encoded.dropped} tokens too long", expected=f"at most {self.max_length} tokens")
        device = next(self.model.parameters()).device
        with torch.inference_mode():
            scores = self.model(torch.tensor([encoded.token_ids], device=device))
        logits = (scores[0] if isinstance(scores, tuple) else scores)[0, places].float()
        best = logits.softmax(dim=-1).topk(min(top, logits.shape[-1]))
        filled = list(encoded.token_ids)
        for place, token_ids in zip(places, best.indices.tolist(), strict=True):
            filled[place] = token_ids[0]
        found = []
        for place, token_ids, probabilities in zip(places, best.indices.tolist(), best.values.tolist(), strict=True):
            fills = []
            for token_id, probability in zip(token_ids, probabilities, strict=True):
                written = [token_id if at == place else other for at, other in enumerate(filled)]
                token = self.tokenizer.decode([token_id]).strip() or self.tokenizer.id_to_token(token_id)
                fills.append(Fill(token, probability, self.tokenizer.decode(written)))
            found.append(fills)
        return found
