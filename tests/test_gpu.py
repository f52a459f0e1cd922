"""What a GPU computes is what the processor does: forward, backward, every objective, whole runs. Skipped where none is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import fathom
from fathom.cli.main import main
from fathom.errors import InterruptedRunError, SettingsError
from fathom.model import EncoderDecoder, LanguageModel, Transformer
from fathom.model.precision import autocast
from fathom.training import Ranks, TrainingSettings
from fathom.training.compilation import compile_blocks
from fathom.training.muon import orthogonal
from tests.objectives.test_permutation import RELATIVE
from tests.tiny import config, csv_file, examples, flags, model_folder, writer_folder
from tests.training import test_loop, test_pretraining
from tests.training.test_loop import StopAt, same

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
GPU = torch.device("cuda")

MODERN = {"segments": 0, "norm_position": "before", "positions": "rotary", "gated": True}
SHAPES: dict[str, dict[str, Any]] = {
    "bert": {},
    "gpt": {"causal": True, "segments": 0, "norm_position": "before"},
    "llama": {**MODERN, "causal": True, "key_heads": 1},
    "modernbert": {**MODERN, "pattern": "gl", "window": 4},
    "bigbird": {"pattern": "l", "window": 4, "global_tokens": 1, "random_blocks": 1, "max_length": 600},
    "gpt-neo": {"pattern": "gl", "window": 4, "causal": True, "segments": 0},
    "albert": {"groups": 1, "embedding_width": 8, "output_transform": True},
    "xlnet": RELATIVE,
}


def texts(length: int = 24) -> tuple[torch.Tensor, torch.Tensor]:
    """Three rows, two of them padded."""
    padding = torch.arange(length) >= torch.tensor([length, length // 2, 5])[:, None]
    return torch.randint(5, 200, (3, length)).masked_fill(padding, 0), padding


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_states_and_gradients_are_those_of_the_processor(shape: str, training: bool) -> None:
    fields = {"dropout": 0.0, "initializer_range": 0.2, **SHAPES[shape]}
    model = LanguageModel(config(**fields)).train(training)
    token_ids, padding = texts(300 if shape == "bigbird" else 24)
    found = []
    for device in ("cpu", GPU):
        moved = model.to(device)
        moved.zero_grad()
        states = moved.transformer(token_ids.to(device), padding.to(device))[~padding.to(device)]
        states.square().mean().backward()
        gradients = {name: part.grad.cpu().clone() for name, part in moved.named_parameters() if part.grad is not None}
        found.append((states.detach().cpu(), gradients))
    (cpu_states, cpu_gradients), (states, gradients) = found
    torch.testing.assert_close(states, cpu_states, atol=1e-4, rtol=0)
    assert gradients.keys() == cpu_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, cpu_gradients[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("shape", ["bert", "llama", "modernbert", "xlnet"])
def test_bfloat16_is_near_float32(shape: str) -> None:
    model = LanguageModel(config(**{"dropout": 0.0, **SHAPES[shape]})).to(GPU).eval()
    token_ids, padding = (part.to(GPU) for part in texts())
    with torch.no_grad():
        exact = model.transformer(token_ids, padding)[~padding]
        with autocast("auto", GPU):
            near = model.transformer(token_ids, padding)[~padding]
    error = (near.float() - exact).norm() / exact.norm()
    assert 0 < error < 0.02


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("pattern", ["g", "l"])
def test_queries_that_see_nothing_leave_gradients_finite(pattern: str, precision: str) -> None:
    """Padding far from every token sees nothing in a local layer, and rows of padding see nothing anywhere."""
    shape = {"width": 128, "heads": 2, "pattern": pattern, "window": 64 if pattern == "l" else None, "max_length": 512}
    model = LanguageModel(config(**{**MODERN, **shape, "dropout": 0.0, "initializer_range": 0.2})).to(GPU)
    token_ids = torch.randint(5, 200, (16, 512), device=GPU)
    padding = torch.arange(512, device=GPU) >= torch.linspace(0, 512, 16, device=GPU).long()[:, None]
    with autocast(precision, GPU):
        states = model.transformer(token_ids, padding)[~padding]
    states.float().square().mean().backward()
    assert all(torch.isfinite(part.grad).all() for part in model.parameters() if part.grad is not None)


@pytest.mark.parametrize("few", [0, 1])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_local_layers_in_blocks_are_those_between_all_tokens(few: int, precision: str) -> None:
    shape = {"pattern": "l", "window": 8, "global_tokens": few, "random_blocks": few, "max_length": 600, "dropout": 0.0}
    model = Transformer(config(**shape)).to(GPU)
    token_ids, padding = (part.to(GPU) for part in texts(600))
    found = []
    for way in ("dense", "blocks"):
        model.way_of_local_steps = way
        model.zero_grad()
        with autocast(precision, GPU):
            states = model(token_ids, padding)[~padding]
        states.float().square().mean().backward()
        found.append((states.detach(), model.blocks[0].attention.key.weight.grad.clone()))
    tolerance = 1e-5 if precision == "float32" else 3e-2
    for dense, blocks in zip(*found, strict=True):
        torch.testing.assert_close(blocks, dense, atol=tolerance, rtol=0)


@pytest.mark.parametrize("kind", test_pretraining.KINDS)
def test_each_objective_learns_as_on_the_processor_and_goes_on_where_it_was_stopped(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = test_pretraining.model
    dropped = test_pretraining.SHAPE
    monkeypatch.setattr(test_pretraining, "SHAPE", {**dropped, "dropout": 0.0})  # a GPU draws other numbers
    on_cpu = losses(tmp_path / "cpu", kind)
    monkeypatch.setattr(test_pretraining, "model", lambda kind: made(kind).to(GPU))
    np.testing.assert_allclose(losses(tmp_path / "gpu", kind), on_cpu, atol=2e-3)
    monkeypatch.setattr(test_pretraining, "SHAPE", dropped)
    whole = test_pretraining.run(kind, tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        test_pretraining.run(kind, tmp_path / "parts", listener=StopAt(4))
    torch.rand(7, device=GPU)
    assert same(whole, test_pretraining.run(kind, tmp_path / "parts", resume=True))


def losses(folder: Path, kind: str) -> np.ndarray:
    told = test_loop.Listening()
    seen: list[float] = []
    told.on_step = lambda step, total, loss, rate, speed: seen.append(loss)  # type: ignore[method-assign]
    test_pretraining.run(kind, folder, test_pretraining.SETTINGS.model_copy(update={"updates": 8}), listener=told)
    return np.array(seen)


def test_muon_moves_matrices_as_on_the_processor() -> None:
    matrix = torch.randn(64, 96)
    found, exact = orthogonal(matrix.to(GPU)).cpu(), orthogonal(matrix)
    assert (found - exact).norm() < 0.05 * exact.norm()  # in bfloat16


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler warns of what it does itself
@pytest.mark.parametrize("shape", ["bert", "modernbert"])
def test_compiled_blocks_give_the_same(shape: str) -> None:
    model = LanguageModel(config(**{"dropout": 0.0, **SHAPES[shape]})).to(GPU)
    token_ids, padding = (part.to(GPU) for part in texts())
    found = []
    for compiled in (False, True):
        if compiled:
            compile_blocks(model, GPU)
        model.zero_grad()
        states = model.transformer(token_ids, padding)[~padding]
        states.square().mean().backward()
        found.append((states.detach(), model.transformer.blocks[0].attention.key.weight.grad.clone()))
    for plain, compiled_one in zip(*found, strict=True):
        torch.testing.assert_close(compiled_one, plain, atol=1e-4, rtol=0)


def test_a_predictor_answers_as_on_the_processor_and_padding_does_not_matter(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model")
    asked = [example.text for example in examples()] + ["", "dull " * 40]
    on_cpu, on_gpu = (fathom.load(folder, device=device) for device in ("cpu", "cuda"))
    assert on_gpu.device.type == "cuda"
    together = on_gpu.predict_proba(asked)
    np.testing.assert_allclose(together, on_cpu.predict_proba(asked), atol=1e-4)
    for text, row in zip(asked[-3:], together[-3:], strict=True):
        np.testing.assert_allclose(on_gpu.predict_proba([text])[0], row, atol=1e-5)
    explained = [predictor.explain(asked[:1])[0] for predictor in (on_cpu, on_gpu)]
    assert explained[0].label == explained[1].label


@pytest.mark.parametrize("how", [{}, {"beams": 3}, {"temperature": 0.7, "seed": 1}])
def test_a_writer_writes_and_remembers_on_a_gpu(tmp_path: Path, how: dict[str, Any]) -> None:
    folder = writer_folder(tmp_path / "model")
    asked = ["a joy", "warm and funny and"]
    settings: dict[str, Any] = {"max_new_tokens": 12, **how}
    on_cpu, on_gpu = (fathom.load(folder, device=device) for device in ("cpu", "cuda"))
    together = on_gpu.generate(asked, **settings)
    written = [one.text for one in together]
    if "temperature" in how:  # a GPU draws other numbers, and the same ones again
        assert written == [one.text for one in on_gpu.generate(asked, **settings)]
    else:
        assert written == [one.text for one in on_cpu.generate(asked, **settings)]
        assert written == [on_gpu.generate([text], **settings)[0].text for text in asked]


def test_a_translator_writes_the_same_on_a_gpu() -> None:
    fields = {"segments": 0, "initializer_range": 0.2, "max_length": 64}
    torch.manual_seed(0)
    model = EncoderDecoder(config(**fields, decoder_depth=2)).eval()
    source, padding = texts(12)
    target = torch.randint(5, 200, (3, 7))
    with torch.no_grad():
        on_cpu = model(source, target, padding)
        on_gpu = model.to(GPU)(source.to(GPU), target.to(GPU), padding.to(GPU)).cpu()
    torch.testing.assert_close(on_gpu, on_cpu, atol=1e-4, rtol=0)


def test_the_commands_take_the_gpu_by_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, model = str(csv_file(tmp_path / "texts.csv")), str(tmp_path / "model")
    assert main(["finetune", data, "--output", model, *flags()]) == 0
    assert main(["evaluate", model, "--data", data]) == 0
    assert torch.cuda.max_memory_allocated() > 0
    on_gpu = capsys.readouterr().out
    assert main(["evaluate", model, "--data", data, "--device", "cpu"]) == 0
    rights = [next(line for line in text.splitlines() if "right:" in line) for text in (on_gpu, capsys.readouterr().out)]
    assert rights[0] == rights[1]


def test_each_process_wants_a_gpu_of_its_own() -> None:
    more = torch.cuda.device_count()
    ranks = Ranks(rank=more, world=more + 1, local_rank=more)
    with pytest.raises(SettingsError, match="has no GPU: there are"):
        ranks.device(GPU)
    with pytest.raises(SettingsError, match="expected: a GPU for each"):
        ranks.device(torch.device("cuda", 0))


def test_training_in_float32_and_bfloat16_ends_near_each_other(tmp_path: Path) -> None:
    found = []
    for precision in ("float32", "bfloat16"):
        settings = TrainingSettings(epochs=3, batch_tokens=64, batch_rows=6, learning_rate=3e-3, precision=precision)
        model: nn.Module = test_loop.classifier(dropout=0.0).to(GPU)
        result = test_loop.run(tmp_path / precision, settings, model=model)[1]
        lines = (tmp_path / precision / "metrics.jsonl").read_text().splitlines()
        found.append(np.mean([float(line.split('"loss": ')[1].split(",")[0]) for line in lines[-5:]]))
        assert result.steps == len(lines)
    assert abs(found[0] - found[1]) < 0.05
