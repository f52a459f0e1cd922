import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from fathom.model import LanguageModel
from fathom.objectives import CausalLanguage
from tests.objectives.batches import VOCABULARY, batch, language_model, of
from tests.tiny import config

CAUSAL = {"causal": True, "segments": 0}
CHANGES = [CAUSAL, {**CAUSAL, "positions": "rotary", "norm_position": "before"}]


@pytest.mark.parametrize("changes", CHANGES)
def test_causal_loss_is_that_of_the_next_token(changes: dict) -> None:
    model, given_batch = language_model(**changes), batch([30, 12, 2])
    found = CausalLanguage().answers(model, given_batch)
    for row, length in enumerate([30, 12, 2]):
        token_ids = given_batch.token_ids[row : row + 1, :length]
        logits = model(token_ids)[0]
        expected = cross_entropy(logits[:-1], token_ids[0, 1:], reduction="none")
        torch.testing.assert_close(found.nats[found.question.rows == row], expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.losses()[row], expected.mean(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("changes", CHANGES)
def test_causal_loss_of_packed_texts_is_that_of_each_alone(changes: dict) -> None:
    model = language_model(**changes)
    lengths = [7, 1, 5, 9]
    texts = [torch.randint(5, VOCABULARY, (1, length)) for length in lengths]
    documents = torch.cat([torch.full((1, length), number) for number, length in enumerate(lengths)], dim=1)
    positions = torch.cat([torch.arange(length)[None] for length in lengths], dim=1)
    packed = CausalLanguage().answers(model, of(torch.cat(texts, dim=1), documents=documents, position_ids=positions))
    alone = [CausalLanguage().answers(model, of(text)).nats for text in texts]
    assert [len(nats) for nats in alone] == [6, 0, 4, 8]
    torch.testing.assert_close(packed.nats, torch.cat(alone), atol=1e-4, rtol=0)


def test_causal_loss_of_a_fresh_model_is_that_of_guessing() -> None:
    torch.manual_seed(0)
    model = LanguageModel(config(width=32, **CAUSAL))
    assert CausalLanguage().losses(model, batch([32] * 16)).mean().item() == pytest.approx(math.log(VOCABULARY), rel=0.02)


def test_causal_refuses_a_model_that_sees_the_next_token() -> None:
    with pytest.raises(ValueError, match="expected a causal LanguageModel"):
        CausalLanguage().losses(language_model(), batch([5]))
