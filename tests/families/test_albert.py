"""ALBERT's sharing: what it saves and what its gradients are."""

import re
from dataclasses import replace

import pytest
import torch

from fathom.families import ALBERT
from fathom.model import SequenceClassifier, TransformerConfig, make_model
from tests.families.reference import reference


def test_albert_shares_what_it_says_and_its_gradients_are_sums() -> None:
    shared = TransformerConfig(
        vocab_size=20, width=8, depth=4, heads=2, feed_forward_width=12, max_length=9, groups=2, dropout=0, attention_dropout=0
    )
    own = replace(shared, groups=None)
    torch.manual_seed(0)
    models = [SequenceClassifier(config, 2).eval() for config in (shared, own)]
    block = sum(parameter.numel() for parameter in models[0].transformer.blocks[0].parameters())
    sizes = [sum(parameter.numel() for parameter in model.parameters()) for model in models]
    assert sizes[1] - sizes[0] == 2 * block
    states = models[0].state_dict()
    copied = {}
    for name in models[1].state_dict():
        found = re.search(r"blocks\.(\d)", name)
        copied[name] = states[name.replace(found[0], f"blocks.{int(found[1]) // 2}") if found else name]
    models[1].load_state_dict(copied)
    token_ids = torch.randint(1, 20, (3, 9))
    logits = [model(token_ids) for model in models]
    torch.testing.assert_close(logits[0], logits[1], atol=0, rtol=0)
    for found_logits in logits:
        found_logits.square().sum().backward()
    for group in range(2):
        for name, parameter in models[0].transformer.blocks[group].named_parameters():
            parts = [models[1].transformer.blocks[2 * group + half].get_parameter(name).grad for half in range(2)]
            torch.testing.assert_close(parameter.grad, parts[0] + parts[1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("changes", [{"groups": 0}, {"groups": 5}, {"blocks_in_group": 2}, {"groups": 2, "blocks_in_group": 0}])
def test_albert_groups_that_do_not_fit_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        TransformerConfig(vocab_size=9, width=8, depth=4, heads=2, feed_forward_width=12, max_length=9, **changes)


def test_albert_parameters_are_counted_exactly() -> None:
    for task in ("pretraining", "sequence"):
        theirs = reference("albert with groups", task)
        raw = {key: value for key, value in theirs.config.to_dict().items() if key not in ("id2label", "label2id")}
        ours = make_model(task, ALBERT.read_config(raw), 3)
        assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())
    # one block serves twelve steps: the published base model has 11.7 million parameters instead of 89 million
    base = TransformerConfig(
        vocab_size=30000, width=768, depth=12, heads=12, feed_forward_width=3072, max_length=512, segments=2,
        embedding_width=128, groups=1, pooler_activation="tanh",
    )  # fmt: skip
    with torch.device("meta"):
        counts = [
            sum(p.numel() for p in make_model("pretraining", config).transformer.parameters())
            for config in (base, replace(base, groups=None, embedding_width=None))
        ]
    block = 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    assert counts[0] == 30000 * 128 + 512 * 128 + 2 * 128 + 2 * 128 + 128 * 768 + 768 + block
    assert counts[1] == (30000 + 512 + 2 + 2) * 768 + 12 * block
