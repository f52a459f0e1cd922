"""The compiled encoder gives torch's states, to what bfloat16 rounds, and the same bits beside whatever else is answered."""

from __future__ import annotations

import copy
import ctypes
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from fathom.inference import Predictor, compiler, native
from fathom.inference.compiler import SOURCE, cache_folder, compiled, load_library
from fathom.inference.native import NativeEncoder, can_run
from fathom.inference.packed import unpacked
from fathom.model import Transformer
from tests import tiny

needs_library = pytest.mark.skipif(load_library() is None, reason="this machine cannot run or make the compiled encoder")
# of the two ways to multiply, the one that a processor without AMX takes
WITHOUT_AMX = ("-mno-amx-bf16", "-mno-amx-int8", "-mno-amx-tile")
SIZES = {"width": 64, "heads": 2, "feed_forward_width": 96}
SHAPE = {**SIZES, "depth": 2, "vocab_size": 200, "max_length": 80, "segments": 2}


@pytest.fixture(params=["what the processor has", "without AMX"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without AMX" and load_library() is not None:
        found = ctypes.CDLL(str(compiled(SOURCE, cache_folder(), WITHOUT_AMX)))
        monkeypatch.setattr(native, "load_library", lambda: found)


def stack(seed: int = 0, scale: float = 1.0, **changes: Any) -> Transformer:
    """Weights as training leaves them: rounded to bfloat16, so that only what is computed is rounded differently."""
    torch.manual_seed(seed)
    model = Transformer(tiny.config(**{**SHAPE, "initializer_range": 0.1, **changes})).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, mean=float(parameter.mean() > 0.5), std=0.1)
        parameter.data = (parameter.data * (scale if parameter.dim() == 2 else 1)).bfloat16().float()
    return model


def texts(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    padding = torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]
    return torch.randint(5, 200, padding.shape), padding


def difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@needs_library
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"heads": 1},  # of 64 entries
        {"width": 96, "heads": 3, "feed_forward_width": 1056},  # made in three parts
        {"segments": 0},
        {"groups": 1, "depth": 3},  # one block, three times
        {"padding_position": 1, "pad_id": 1},
        {"attention_scale": 0.05},
    ],
    ids=str,
)
@pytest.mark.parametrize("only_first", [False, True])
def test_states_are_torchs(changes: dict[str, Any], only_first: bool) -> None:
    model = stack(**changes)
    encoder = NativeEncoder(model)
    ids, padding = texts([1, 31, 32, 33, 70, 16, 17])
    segments = None if changes.get("segments") == 0 else torch.randint(0, 2, ids.shape)
    with torch.inference_mode():
        expected = model(ids, padding, segments, only_first=only_first)
        found = encoder(ids, padding, segments, only_first=only_first)
    assert (found.shape, found.dtype) == (expected.shape, torch.float32)
    seen = slice(None) if only_first else ~padding
    assert difference(found[seen], expected[seen]) < 0.01
    assert only_first or not found[padding].any()


@needs_library
@given(lengths=st.lists(st.integers(1, 75), min_size=1, max_size=30), seed=st.integers(0, 2**16), threads=st.integers(1, 5))
def test_neither_padding_nor_neighbours_nor_threads_change_a_bit(lengths: list[int], seed: int, threads: int) -> None:
    """With few tokens, up to three threads share a group; with many, each one takes groups of its own."""
    encoder = NativeEncoder(stack(width=192, heads=3, feed_forward_width=544))
    ids, padding = texts(lengths, seed)
    together, first = encoder(ids, padding), encoder(ids, padding, only_first=True)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        assert torch.equal(encoder(torch.where(padding, 7, ids), padding), together)
        assert torch.equal(encoder(ids, padding, only_first=True), first)
    finally:
        torch.set_num_threads(before)
    for row, length in enumerate(lengths):
        alone = ids[row : row + 1, :length]
        assert torch.equal(encoder(alone)[0], together[row, :length])
        assert torch.equal(encoder(alone, only_first=True)[0], first[row])


@needs_library
@pytest.mark.parametrize("scale", [0.0, 10.0, 100.0])
def test_scores_and_activations_of_any_size(scale: float) -> None:
    """Large weights: attention sees one key, GELU is far from its polynomial. None: everything is a bias."""
    model = stack(scale=scale, depth=1)
    ids, padding = texts([40, 7])
    with torch.inference_mode():
        found, expected = NativeEncoder(model)(ids, padding), model(ids, padding)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(ids, padding)
    assert torch.isfinite(found).all()
    assert difference(found[~padding], expected[~padding]) < max(0.01, 1.5 * difference(rounded[~padding], expected[~padding]))


@needs_library
def test_left_padding_and_rows_of_padding_alone() -> None:
    encoder = NativeEncoder(stack(padding_position=1, pad_id=1))  # RoBERTa's positions do not count padding
    ids, _ = texts([9])
    left, padding = torch.cat([torch.full((1, 4), 1), ids], dim=1), torch.arange(13)[None] < 4
    assert torch.equal(encoder(left, padding)[:, 4:], encoder(ids))
    assert torch.equal(encoder(left, padding, only_first=True), encoder(ids, only_first=True))
    for only_first in (False, True):
        assert torch.isfinite(encoder(ids, torch.ones_like(ids, dtype=torch.bool), only_first=only_first)).all()
        assert len(encoder(ids[:0], only_first=only_first)) == 0


@needs_library
def test_ids_outside_the_tables_are_refused() -> None:
    encoder = NativeEncoder(stack())
    for wrong in (-1, 200):
        with pytest.raises(IndexError, match="0 to 199"):
            encoder(torch.tensor([[5, wrong]]))
    with pytest.raises(IndexError, match="0 to 1"):
        encoder(torch.tensor([[5]]), None, torch.tensor([[2]]))
    with pytest.raises(IndexError, match="0 to 79"):
        encoder(torch.full((1, 81), 5))


@needs_library
def test_an_encoder_can_be_unpacked_and_copied() -> None:
    model = stack()
    encoder = NativeEncoder(model).eval()
    back = encoder.unpacked()
    assert not back.training
    states = back.state_dict()
    assert all(torch.equal(states[name], value) for name, value in model.state_dict().items())
    ids, padding = texts([9, 4])
    assert torch.equal(copy.deepcopy(encoder)(ids, padding), encoder(ids, padding))
    back(ids).sum().backward()
    assert all(parameter.grad is not None for name, parameter in back.named_parameters() if "blocks" in name)


@needs_library
def test_a_predictor_answers_with_it_in_bfloat16_alone(tmp_path: Path) -> None:
    folder = tiny.model_folder(tmp_path / "model", **SIZES)
    plain, quick = Predictor.load(folder), Predictor.load(folder, precision="bfloat16")
    assert isinstance(plain.classifier.transformer, Transformer)
    assert isinstance(quick.classifier.transformer, NativeEncoder)
    some = ["a joy from start to finish", "dull and endless", "it", "i loved it " * 12]
    found = quick.predict_proba(some)
    assert abs(found - plain.predict_proba(some)).max() < 0.02
    assert abs(quick.predict_proba(some[:1]) - found[:1]).max() < 1e-6  # the head is computed by torch
    assert isinstance(unpacked(quick.classifier).transformer, Transformer)
    assert [word.text for word in quick.explain(some[:1])[0].words] == [word.text for word in plain.explain(some[:1])[0].words]


@pytest.mark.parametrize(
    "changes",
    [
        *({"width": 48}, {"feed_forward_width": 40}, {"norm_position": "before"}, {"causal": True}, {"gated": True}),
        *({"activation": "relu"}, {"positions": "rotary"}, {"norm": "rms"}, {"attention_bias": False}, {"key_heads": 1}),
    ],
    ids=str,
)
def test_other_models_are_not_for_it(changes: dict[str, Any]) -> None:
    assert can_run(tiny.config(**SHAPE))
    assert not can_run(tiny.config(**{**SHAPE, **changes}))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A machine that could run the program, and on which nothing has been compiled yet."""
    monkeypatch.setattr(compiler, "_can_be_run", lambda: True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FATHOM_NATIVE", raising=False)
    load_library.cache_clear()
    yield tmp_path / "fathom"
    load_library.cache_clear()


def test_what_is_compiled_once_is_found_again(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (source := fresh.parent / "answer.cpp").write_text('extern "C" int answer() { return 42; }\n')
    made = compiled(source, fresh)
    assert ctypes.CDLL(str(made)).answer() == 42
    assert [path.name for path in fresh.iterdir()] == [made.name]
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o700
    with monkeypatch.context() as patch:
        patch.setattr(compiler.subprocess, "run", lambda *_, **__: pytest.fail("it was compiled again"))
        assert compiled(source, fresh) == made
    source.write_text('extern "C" int answer() { return 43; }\n')
    assert ctypes.CDLL(str(compiled(source, fresh))).answer() == 43


@pytest.mark.parametrize("given", ["no compiler", "a compiler that fails", "an open folder", "no room", "no home"])
def test_without_the_program_torch_answers_and_it_is_said_once(
    given: str, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {
        "no home": "home directory",
        "no compiler": "no C\\+\\+ compiler was found",
        "a compiler that fails": "no such luck",
    }
    if given == "no compiler":
        monkeypatch.setenv("PATH", str(fresh.parent))
        monkeypatch.delenv("CXX", raising=False)
    elif given == "a compiler that fails":
        (wrong := fresh.parent / "c++").write_text("#!/bin/sh\necho 'error: no such luck' >&2\nexit 1\n")
        wrong.chmod(0o700)
        monkeypatch.setenv("CXX", str(wrong))
    elif given == "no home":
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where the user is not in the list of users
    elif given == "an open folder":
        fresh.mkdir()
        fresh.chmod(0o777)
    else:
        fresh.write_text("a file")
    with pytest.warns(RuntimeWarning, match=expected.get(given, "fathom")) as said:
        assert load_library() is None
    assert "FATHOM_NATIVE=0" in str(said[0].message)
    folder = tiny.model_folder(fresh.parent / "model", **SIZES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        assert isinstance(Predictor.load(folder, precision="bfloat16").classifier.transformer, Transformer)


def test_it_can_be_switched_off(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FATHOM_NATIVE", "0")
    assert load_library() is None
    assert not fresh.exists()
