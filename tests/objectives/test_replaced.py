import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import chisquare
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from fathom.objectives import GeneratorAndDetector, MaskedLanguage, ReplacedTokens, generator_config
from fathom.objectives.replaced import draw
from tests.objectives.batches import MASK, SPECIAL_IDS, VOCABULARY, batch, of
from tests.tiny import config

MASKED = MaskedLanguage(MASK, VOCABULARY, SPECIAL_IDS, masked=1.0, random=0.0)
OBJECTIVE = ReplacedTokens(MASKED)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def models(seed: int = 0, share: float = 0.5, **changes: object) -> GeneratorAndDetector:
    torch.manual_seed(seed)
    detector = config(width=32, heads=4, **{"initializer_range": 0.2, **changes})
    return GeneratorAndDetector(detector, generator_config(detector, share)).eval()


def test_replaced_loss_is_the_generators_and_fifty_times_the_detectors() -> None:
    model, given_batch = models(), batch([30, 12, 3])
    generated, detected = OBJECTIVE.answers(model, given_batch, generator())
    question = MASKED.ask(given_batch, generator())
    assert (question.batch.token_ids[question.rows, question.columns] == MASK).all()
    hidden = model.language_model()(question.batch.token_ids, given_batch.padding_mask)
    shown = detected.question.batch.token_ids
    logits = model.detector(shown, given_batch.padding_mask)
    torch.manual_seed(0)
    found = OBJECTIVE.losses(model, given_batch)
    torch.manual_seed(0)
    again = OBJECTIVE.answers(model, given_batch)
    torch.testing.assert_close(found, again[0].losses() + 50 * again[1].losses())
    for row, length in enumerate([30, 12, 3]):
        places = question.columns[question.rows == row]
        torch.testing.assert_close(
            generated.losses()[row], cross_entropy(hidden[row, places], given_batch.token_ids[row, places])
        )
        replaced = (shown[row, :length] != given_batch.token_ids[row, :length]).float()
        expected = binary_cross_entropy_with_logits(logits[row, :length], replaced)  # over all real tokens
        torch.testing.assert_close(detected.losses()[row], expected)
        assert replaced.sum() <= len(places)
    assert torch.equal(
        detected.hits, ((logits > 0) == (shown != given_batch.token_ids))[detected.question.rows, detected.question.columns]
    )


def test_replaced_exchanges_hidden_tokens_alone_and_a_lucky_draw_counts_as_original() -> None:
    model, given_batch = models(), batch([32] * 200)
    generated, detected = OBJECTIVE.answers(model, given_batch, generator())
    shown, original = detected.question.batch.token_ids, given_batch.token_ids
    hidden = torch.zeros_like(original, dtype=torch.bool)
    hidden[generated.question.rows, generated.question.columns] = True
    assert torch.equal(shown[~hidden], original[~hidden])
    labels = torch.zeros_like(original)
    labels[detected.question.rows, detected.question.columns] = detected.question.right
    assert torch.equal(labels, (shown != original).long())
    # an untrained generator that knows the answer: a table with one likely token
    model.output.bias.data[7] = 100.0
    sevens = of(torch.full((4, 20), 7))
    generated, detected = OBJECTIVE.answers(model, sevens, generator())
    assert len(generated.nats) > 0
    assert detected.question.right.sum() == 0


def test_draw_follows_the_generators_distribution() -> None:
    model = models()
    states = torch.randn(1, model.generator.config.width).expand(50_000, -1)
    drawn = draw(model, states, torch.rand(50_000, generator=generator()))
    chances = model.logits(states[:1]).softmax(dim=-1)[0]
    likely = chances > 1e-3
    counts = torch.bincount(drawn, minlength=VOCABULARY)
    observed = [*counts[likely].tolist(), int(counts[~likely].sum())]
    expected = torch.tensor([*chances[likely].tolist(), chances[~likely].sum().item()], dtype=torch.float64)
    assert chisquare(observed, expected / expected.sum() * 50_000).pvalue > 0.01
    ends = draw(model, states[:2], torch.tensor([0.0, 1 - 2**-24]))
    assert ((ends >= 0) & (ends < VOCABULARY)).all()


def test_replaced_sends_no_gradient_through_what_was_drawn() -> None:
    model, given_batch = models(), batch([32] * 4)
    OBJECTIVE.answers(model, given_batch, generator())[1].losses().sum().backward()
    assert all(parameter.grad is None for part in (model.generator, model.output) for parameter in part.parameters())
    assert all(parameter.grad is not None for parameter in model.detector.parameters())
    model.zero_grad()
    OBJECTIVE.answers(model, given_batch, generator())[0].losses().sum().backward()
    alone = [name for name, parameter in model.detector.named_parameters() if parameter.grad is not None]
    assert alone == ["transformer.embeddings.token.weight"]  # shared


def test_replaced_starts_at_guessing_and_shares_one_table_that_is_saved_once() -> None:
    model = models(initializer_range=0.02)
    generated, detected = OBJECTIVE.answers(model, batch([32] * 16), generator())
    assert generated.losses().mean().item() == pytest.approx(math.log(VOCABULARY), rel=0.02)
    assert detected.losses().mean().item() == pytest.approx(math.log(2), rel=0.05)
    tables = [name for name, tensor in model.state_dict().items() if tensor.shape[0] == VOCABULARY and tensor.dim() == 2]
    assert tables == ["detector.transformer.embeddings.token.weight"]


@pytest.mark.parametrize(
    "changes", [{}, {"embedding_width": 8}, {"positions": "rotary", "norm_position": "before", "segments": 0}]
)
@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_generator_is_a_language_model_of_its_own(changes: dict, share: float) -> None:
    model = models(share=share, **changes)
    row = batch([20])
    alone = model.language_model()
    torch.testing.assert_close(alone(row.token_ids), model.logits(model.generate(row)))
    sizes = [
        sum(parameter.numel() for parameter in part.blocks.parameters())
        for part in (model.generator, model.detector.transformer)
    ]
    assert sizes[0] <= sizes[1] * share * 1.01


def test_replaced_of_packed_texts_is_that_of_each_alone() -> None:
    model = models()
    texts = [batch([12], seed=1), batch([9], seed=2)]
    packed = of(
        torch.cat([text.token_ids for text in texts], dim=1),
        documents=torch.tensor([[0] * 12 + [1] * 9]),
        position_ids=torch.tensor([[*range(12), *range(9)]]),
    )
    states = torch.cat([model.generate(text) for text in texts], dim=1)
    torch.testing.assert_close(model.generate(packed), states, atol=1e-5, rtol=1e-4)
    logits = torch.cat([model.detect(text) for text in texts], dim=1)
    torch.testing.assert_close(model.detect(packed), logits, atol=1e-5, rtol=1e-4)


def test_generator_that_does_not_fit_is_refused() -> None:
    detector = config()
    with pytest.raises(ValueError, match="expected the same shape"):
        GeneratorAndDetector(detector, replace(detector, vocab_size=100))
    with pytest.raises(ValueError, match="share is 0"):
        generator_config(detector, 0)
    with pytest.raises(ValueError, match="output_transform is False"):
        generator_config(replace(detector, output_transform=False), 0.5)
