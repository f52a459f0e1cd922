"""Compiled blocks compute the same numbers; without a compiler that is said at once."""

from pathlib import Path

import pytest
import torch

from fathom.errors import SettingsError
from fathom.model import LanguageModel, Transformer
from fathom.objectives import CausalLanguage
from fathom.training import TrainingSettings, train
from fathom.training.compilation import compile_blocks
from tests.tiny import config
from tests.training.test_pretraining import VOCABULARY, pairs

SETTINGS = TrainingSettings(epochs=1, updates=3, batch_tokens=64, batch_rows=6, learning_rate=3e-3, precision="float32")
COMPILED = SETTINGS.model_copy(update={"compile": True})


def run(folder: Path, settings: TrainingSettings) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    trained = LanguageModel(config(vocab_size=VOCABULARY.vocab_size, causal=True, segments=0, dropout=0.0)).double()
    train(trained, CausalLanguage(), pairs(), settings, folder=folder, fingerprint="f")
    return trained.state_dict()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler warns of what it does itself
def test_compiled_blocks_learn_the_same(tmp_path: Path) -> None:
    plain, compiled = run(tmp_path / "plain", SETTINGS), run(tmp_path / "compiled", COMPILED)
    assert plain.keys() == compiled.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(compiled[name], tensor, atol=1e-9, rtol=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_compiled_local_layers_of_long_texts_give_the_same_gradients() -> None:
    torch.manual_seed(0)
    shape = {"pattern": "l", "window": 8, "global_tokens": 1, "random_blocks": 1, "max_length": 600, "dropout": 0.0}
    model = Transformer(config(**shape)).double()
    token_ids, padding = torch.randint(5, 200, (2, 600)), torch.arange(600) >= torch.tensor([600, 321])[:, None]
    states, gradients = [], []
    for compiled in (False, True):
        if compiled:
            compile_blocks(model, torch.device("cpu"))
        model.zero_grad()
        states.append(model(token_ids, padding)[~padding])
        states[-1].square().mean().backward()
        gradients.append(model.blocks[0].attention.key.weight.grad)
    torch.testing.assert_close(*states, atol=1e-9, rtol=0)
    torch.testing.assert_close(*gradients, atol=1e-9, rtol=0)


def test_compiling_without_a_compiler_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SettingsError, match=r"training.compile is true, and a C\+\+ compiler \(no-such-compiler\) cannot"):
        run(tmp_path, COMPILED)
