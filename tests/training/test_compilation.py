"""Compiled blocks compute the same numbers; without a compiler that is said at once."""

from pathlib import Path

import pytest
import torch

from fathom.errors import SettingsError
from fathom.model import LanguageModel
from fathom.objectives import CausalLanguage
from fathom.training import TrainingSettings, train
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


def test_compiling_without_a_compiler_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SettingsError, match=r"training.compile is true, and a C\+\+ compiler \(no-such-compiler\) cannot"):
        run(tmp_path, COMPILED)
