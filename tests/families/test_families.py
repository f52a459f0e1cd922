"""Every family beside Hugging Face's, weight for weight, in one battery: a family is a row of ROWS, a case a row and a task."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from fathom.checkpoint import load_model, save_model
from fathom.checkpoint.about import CLASSIFIERS, About
from fathom.errors import ModelFolderError
from fathom.families import FAMILIES, NATIVE
from fathom.model import Cache, LanguageModel, Task
from tests.families.reference import (
    MADE_BY,
    ROWS,
    architecture,
    batch,
    cases,
    family_of_row,
    on_the_left,
    pair,
    raw_config,
    reference,
    saved,
    scores,
    segments_of,
)

every_case = pytest.mark.parametrize(("row", "task"), cases())
STACKS = [(row, next(iter(family_of_row(row).heads))) for row in ROWS if row != "marian"]  # one task a row is enough


def ours_and_theirs(row: str, model: Any, ours: Any, task: Task) -> list[tuple[Tensor, Tensor]]:
    """The scores of both for a random padded batch, without those at padding."""
    token_ids, padding = batch(ours.config.pad_id)
    if row == "xlnet":  # its own tokenizer pads on the left, and the class of a text is read from the last place
        token_ids, padding = on_the_left(token_ids, padding)
    if task == "translation":
        target, target_padding = batch(ours.config.pad_id, lengths=(9, 4, 12, 7), length=12)
        masks = {"attention_mask": (~padding).long(), "decoder_attention_mask": (~target_padding).long()}
        expected = model(token_ids, decoder_input_ids=target, **masks).logits
        found = ours(token_ids, target, padding, target_padding)
        return [(found[~target_padding], expected[~target_padding])]
    segments = segments_of(row, token_ids, padding)
    told = {} if segments is None else {"token_type_ids": segments}
    expected = scores(model(token_ids, attention_mask=(~padding).long(), **told), task)
    found = ours(token_ids, padding, segments)
    found = list(found) if isinstance(found, tuple) else [found]
    by_token = [tensor.shape[:2] == token_ids.shape for tensor in found]
    return [
        (mine[~padding], their[~padding]) if tokens else (mine, their)
        for mine, their, tokens in zip(found, expected, by_token, strict=True)
    ]


@every_case
def test_family_scores_and_gradients_equal_the_reference(row: str, task: Task) -> None:
    model, ours = pair(row, task)
    pairs = ours_and_theirs(row, model, ours, task)
    for found, expected in pairs:
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    for side in range(2):
        sum(pair[side].sigmoid().square().sum() for pair in pairs).backward()
    theirs = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    mine = {name: parameter.grad for name, parameter in ours.named_parameters() if parameter.grad is not None}
    assert {name for name, parameter in ours.named_parameters() if parameter.grad is None} <= {"transformer.query_start"}
    translated = family_of_row(row).to_theirs(mine, ours.config, task)
    assert translated.keys() <= theirs.keys()
    for name, gradient in translated.items():
        scale = max(1.0, theirs[name].abs().max().item())
        torch.testing.assert_close(gradient / scale, theirs[name] / scale, atol=1e-3, rtol=0, msg=name)


@pytest.mark.parametrize(("row", "task"), STACKS)
def test_family_hidden_states_equal_the_reference(row: str, task: Task) -> None:
    model, ours = pair(row, task)
    token_ids, padding = batch(ours.config.pad_id)
    expected = model(token_ids, attention_mask=(~padding).long(), output_hidden_states=True).hidden_states
    expected = expected[:: ours.config.blocks_in_group]  # they also show what is inside a group
    states = ours.transformer.hidden_states(token_ids, padding)
    for number, (their_state, our_state) in enumerate(zip(expected, states, strict=True)):
        real = ~padding
        torch.testing.assert_close(our_state[real], their_state[real], atol=1e-4, rtol=0, msg=f"state {number}")


@pytest.mark.parametrize(("row", "task"), STACKS)
def test_family_reads_its_longest_text_padding_on_either_side_and_unusual_positions(row: str, task: Task) -> None:
    model, ours = pair(row, task)
    longest = torch.randint(5, 200, (2, min(ours.config.max_length, 48)))
    left, padding = on_the_left(*batch(ours.config.pad_id))
    counted = ((~padding).cumsum(1) - 1).clamp(min=0)
    for token_ids, padded in ((longest, torch.zeros_like(longest, dtype=torch.bool)), (left, padding)):
        causal = {"position_ids": counted} if ours.config.causal and padded.any() else {}
        expected = model(token_ids, attention_mask=(~padded).long(), output_hidden_states=True, **causal).hidden_states[-1]
        torch.testing.assert_close(ours.transformer(token_ids, padded)[~padded], expected[~padded], atol=1e-4, rtol=0)
    if row == "xlnet":  # positions are distances
        return
    unusual = torch.tensor([[3, 4, 5, 9, 10, 40, 41, 2, 2, 30]]).expand(2, -1)
    if row == "distilbert":  # takes no positions
        return
    token_ids = longest[:, :10]
    expected = model(token_ids, position_ids=unusual, output_hidden_states=True).hidden_states[-1]
    torch.testing.assert_close(ours.transformer(token_ids, position_ids=unusual), expected, atol=1e-4, rtol=0)


@every_case
def test_family_folder_goes_there_and_back_byte_for_byte(row: str, task: Task, tmp_path: Path) -> None:
    model = reference(row, task)
    loaded = load_model(saved(model, tmp_path / "theirs"))
    assert loaded.task == task
    about = About(task=task, labels=loaded.labels, max_length=40)
    save_model(tmp_path / "ours", model=loaded.model, tokenizer=loaded.tokenizer, about=about, made_by=MADE_BY, card="# c\n")
    files = [load_file(tmp_path / side / "model.safetensors") for side in ("theirs", "ours")]
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])
    assert all(files[0][name].shape == files[1][name].shape for name in files[0])
    back = getattr(transformers, architecture(row, task)).from_pretrained(tmp_path / "ours").eval()
    if task in CLASSIFIERS:
        assert back.config.id2label == {0: "bad", 1: "fair", 2: "good"}
    again = load_model(tmp_path / "ours")
    assert again.model.config == loaded.model.config
    assert again.about == about
    with torch.no_grad():
        for side in (model, back):
            for found, expected in ours_and_theirs(row, side, again.model, task):
                torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@every_case
def test_family_trained_five_steps_loses_what_the_reference_loses(row: str, task: Task) -> None:
    model, ours = (side.train() for side in pair(row, task))
    optimizers = [torch.optim.AdamW(side.parameters(), lr=1e-3, fused=True) for side in (model, ours)]
    for step in range(5):
        pairs = ours_and_theirs(row, model, ours, task)
        losses = []
        for side, optimizer in ((1, optimizers[0]), (0, optimizers[1])):
            logits = [pair[side].flatten(0, -2) if task != "replaced" else pair[side][:, None] for pair in pairs]
            torch.manual_seed(step)
            loss = sum(cross_entropy(part, torch.randint(0, part.shape[-1], part.shape[:1])) for part in logits)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], abs=1e-4), step


@pytest.mark.parametrize("row", [row for row in ROWS if FAMILIES[row.split()[0]].heads.keys() >= {"sequence"}])
def test_family_without_a_classifier_starts_one_and_says_so(row: str, tmp_path: Path) -> None:
    family = family_of_row(row)
    kinds = [task for task in family.heads if task not in CLASSIFIERS] + [f"{family.architecture}Model"]
    for kind in kinds:
        model = reference(row, kind)
        folder = saved(model, tmp_path / kind)
        loaded = load_model(folder, labels=["a", "b"])
        assert "classifier.weight" in loaded.made
        assert all(name.startswith(("classifier.", "pooler.")) for name in loaded.made)
        translation = family.to_ours(load_file(folder / "model.safetensors"), loaded.model.config, "sequence")
        states = loaded.model.state_dict()
        stack = {name: tensor for name, tensor in translation.ours.items() if name.startswith("transformer.")}
        assert stack
        assert all(torch.equal(states[name], tensor) for name, tensor in stack.items())
        with pytest.raises(ModelFolderError, match=r"missing: classifier\.weight|without a head|says nothing about labels"):
            load_model(folder, task=None if kind.endswith("Model") else "sequence")


@pytest.mark.parametrize("row", ROWS)
def test_family_setting_that_nobody_reads_is_an_error(row: str) -> None:
    task = next(iter(family_of_row(row).heads))
    raw = raw_config(row, task)
    family = family_of_row(row)
    config = family.read_config(raw)
    assert family.read_config(family.write_config(config)) == config
    with pytest.raises(ModelFolderError, match="sparkle is a key that nothing reads"):
        family.read_config({**raw, "sparkle": 1})


JUNK = (None, "x", -1, 0, 1.5, [], {}, True, 10**30, [1], {"a": 1}, float("nan"), [[["global"], 1]], [[["local"], 10**18]])


@pytest.mark.parametrize("row", [row for row in ROWS if row in FAMILIES])
def test_family_key_with_any_value_is_read_or_refused(row: str) -> None:
    family = family_of_row(row)
    raw = raw_config(row)
    old = {name: value for name, value in raw.items() if name not in ("layer_types", "rope_parameters")}
    given = old | family.write_config(family.read_config(raw))
    for name in given:
        for value in JUNK:
            with suppress(ModelFolderError):
                config = family.read_config({**given, name: value})
                assert family.can_express(config), (name, value)


def test_families_do_not_take_each_others_models() -> None:
    for row in ROWS:
        family = family_of_row(row)
        config = family.read_config(raw_config(row))
        able = [other.model_type for other in FAMILIES.values() if other is not NATIVE and other.can_express(config)]
        assert able == [family.model_type], row


@pytest.mark.parametrize(("row", "task"), cases("causal"))
def test_decoder_with_a_cache_equals_one_pass_over_everything(row: str, task: Task) -> None:
    model, ours = pair(row, task)
    assert isinstance(ours, LanguageModel)
    token_ids, padding = on_the_left(*batch(ours.config.pad_id, lengths=(20, 13, 7, 2)))
    with torch.no_grad():
        everything = ours(token_ids, padding)
        cache, parts = Cache(ours.config), []
        for start, end in ((0, 9), (9, 10), (10, 11), (11, 18), (18, 20)):
            parts.append(ours(token_ids[:, start:end], padding[:, :end], cache=cache))
        assert cache.length == 20
        torch.testing.assert_close(torch.cat(parts, 1)[~padding], everything[~padding], atol=1e-4, rtol=0)
        known = model(
            token_ids[:, :15], attention_mask=(~padding[:, :15]).long(), position_ids=counted(padding)[:, :15], use_cache=True
        )
        rest = model(
            token_ids[:, 15:],
            attention_mask=(~padding).long(),
            position_ids=counted(padding)[:, 15:],
            past_key_values=known.past_key_values,
        ).logits
        real = ~padding[:, 15:]
        torch.testing.assert_close(everything[:, 15:][real], rest[real], atol=1e-4, rtol=0)
        rows = torch.tensor([2, 2, 0])
        cache.select(rows)
        padded = torch.cat([padding[rows], torch.zeros(3, 1, dtype=torch.bool)], 1)
        next_ids = torch.tensor([[7], [8], [9]])
        found = ours(next_ids, padded, cache=cache)
        expected = ours(torch.cat([token_ids[rows], next_ids], 1), padded)[:, -1:]
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def counted(padding: Tensor) -> Tensor:
    return ((~padding).cumsum(1) - 1).clamp(min=0)


@pytest.mark.parametrize(("row", "task"), cases("causal"))
def test_decoder_never_looks_ahead_and_left_padding_changes_nothing(row: str, task: Task) -> None:
    _, ours = pair(row, task)
    token_ids = torch.randint(5, 200, (1, 12))
    changed = token_ids.clone()
    changed[:, 7:] = torch.randint(5, 200, (1, 5))
    padded = torch.cat([torch.full((1, 6), ours.config.pad_id), token_ids], 1)
    padding = torch.arange(18)[None] < 6
    with torch.no_grad():
        alone = ours(token_ids)
        torch.testing.assert_close(ours(changed)[:, :7], alone[:, :7], atol=0, rtol=0)
        torch.testing.assert_close(ours(padded, padding)[:, 6:], alone, atol=1e-4, rtol=0)


def test_weights_in_the_files_of_old_versions_are_read(tmp_path: Path) -> None:
    """Copies of tied weights, constants, configurations in the older spelling."""
    from safetensors.torch import save_file

    for row, extra in {
        "gpt2": {"lm_head.weight": "transformer.wte.weight", "transformer.h.0.attn.bias": None},
        "llama tied": {"lm_head.weight": "model.embed_tokens.weight", "model.layers.0.self_attn.rotary_emb.inv_freq": None},
        "bert": {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"},
        "marian": {"lm_head.weight": "model.shared.weight", "model.encoder.embed_positions.weight": None},
    }.items():
        task: Task = {"bert": "masked", "marian": "translation"}.get(row, "causal")  # type: ignore[assignment]
        folder = saved(reference(row, task), tmp_path / row.replace(" ", "-"))
        expected = load_model(folder).model.state_dict()
        tensors = load_file(folder / "model.safetensors")
        for name, copied in extra.items():
            tensors[name] = torch.ones(3) if copied is None else tensors[copied].clone()
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        found = load_model(folder).model.state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected), row


def test_llama_and_modernbert_configurations_are_read_in_both_spellings(tmp_path: Path) -> None:
    for row in ("llama", "llama with linear scaling", "llama with llama3 scaling", "modernbert"):
        family = family_of_row(row)
        theirs = reference(row, "sequence").config
        raw = raw_config(row, "sequence")
        config = family.read_config(raw)
        written = family.write_config(config)
        assert "rope_parameters" not in written
        assert family.read_config(written) == config
        (tmp_path / "config.json").write_text(json.dumps(written))
        back = transformers.AutoConfig.from_pretrained(tmp_path)
        assert back.rope_parameters == theirs.rope_parameters
    raw = raw_config("llama")
    with pytest.raises(ModelFolderError, match="rope_type is 'yarn', expected one of"):
        FAMILIES["llama"].read_config({**raw, "rope_parameters": {"rope_type": "yarn", "factor": 2.0, "rope_theta": 1e4}})
    raw = FAMILIES["modernbert"].write_config(FAMILIES["modernbert"].read_config(raw_config("modernbert")))
    for name, value, message in (
        ("global_attn_every_n_layers", 0, "cannot be read"),
        ("classifier_activation", "x", "classifier_activation is 'x', expected one of"),
        ("local_attention", 7, "local_attention is 7, expected an even number"),
    ):
        with pytest.raises(ModelFolderError, match=message):
            FAMILIES["modernbert"].read_config({key: v for key, v in raw.items() if key != "layer_types"} | {name: value})


def test_sharded_weights_are_read_whole_or_not_at_all(tmp_path: Path) -> None:
    model = reference("bert", "sequence")
    saved(model, tmp_path, max_shard_size="20KB")
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 2
    token_ids, padding = batch(0)
    with torch.no_grad():
        expected = model(token_ids, (~padding).long()).logits
        torch.testing.assert_close(load_model(tmp_path).model(token_ids, padding), expected, atol=1e-4, rtol=0)
    index = tmp_path / "model.safetensors.index.json"
    kept, listed = index.read_text(), json.loads(index.read_text())
    listed["weight_map"]["bert.pooler.dense.bias"] = "../elsewhere.safetensors"
    index.write_text(json.dumps(listed))
    with pytest.raises(ModelFolderError, match=r"lacks '\.\./elsewhere\.safetensors'"):
        load_model(tmp_path)
    listed["weight_map"]["bert.pooler.dense.bias"] = shards[0].name
    listed["weight_map"]["sparkle"] = shards[0].name
    index.write_text(json.dumps(listed))
    with pytest.raises(ModelFolderError, match="disagree about sparkle"):
        load_model(tmp_path)
    index.write_text("[]")
    with pytest.raises(ModelFolderError, match="cannot be read"):
        load_model(tmp_path)
    index.write_text(kept)
    shards[1].unlink()
    with pytest.raises(ModelFolderError, match=shards[1].name):
        load_model(tmp_path)
