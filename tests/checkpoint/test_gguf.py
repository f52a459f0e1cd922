"""A GGUF file becomes what `transformers` makes of it, and a damaged or hostile one becomes one clear error."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import tokenizers
import torch
import transformers
from gguf import GGMLQuantizationType as Kind
from gguf.quants import dequantize, quantize
from hypothesis import event, given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from fathom.checkpoint import resolve_model
from fathom.checkpoint.gguf import GgufFile, read_gguf
from fathom.errors import ModelFolderError
from fathom.text import Tokenizer

TEXTS = [
    "Hello world, isn't it? I'm sure they'll say we've won.",
    "def f(x):\n    return x**2 + 10  # 12345\n\n\n\treturn {'a': [1, 2]}",
    "3.14159 and 2024-01-01 in 1,000,000 ways",
    "今天天气很好，我们去看电影。日本語 한국어",
    "🎉 great 👍🏽 film 👨‍👩‍👧 ❤️",
    "<|im_start|>system\nYou are<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|><repo_name>a/b<file_sep>",
    "Ünïcödé\u00a0blanks\u3000wide  two   three",
    "\x00nul \u200bzero\u200dwidth\ufeff \U0010ffff",
    "",
]


@pytest.fixture(scope="module")
def smollm() -> GgufFile:
    return read_gguf(resolve_model("smollm2"))


@pytest.fixture(scope="module")
def theirs(smollm: GgufFile) -> dict[str, Any]:
    """What `transformers` reads from the same file: from_pretrained(gguf_file=…) puts these tensors into the model."""
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**smollm.config))
    found: dict[str, Any] = load_gguf_checkpoint(
        str(resolve_model("smollm2")), return_tensors=True, model_to_load=model, torch_dtype=torch.float32
    )
    return found


# --- the packaged model ---


def test_gguf_tensors_are_those_of_transformers(smollm: GgufFile, theirs: dict[str, Any]) -> None:
    assert set(smollm.tensors) == set(theirs["tensors"])
    for name, tensor in smollm.tensors.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, theirs["tensors"][name]), name
    assert smollm.parameters == sum(tensor.numel() for tensor in theirs["tensors"].values()) == 134_515_008
    assert smollm.types == {"F32": 61, "Q4_1": 210, "Q8_0": 1}


def test_gguf_config_is_that_of_transformers(smollm: GgufFile, theirs: dict[str, Any]) -> None:
    ours, wanted = (transformers.LlamaConfig(**config).to_dict() for config in (smollm.config, theirs["config"]))
    for key in ("architectures", "_model_name_or_path", "unk_token_id"):  # books, and a key that no model reads
        ours.pop(key, None)
        wanted.pop(key, None)
    assert ours == wanted
    assert ours["rope_parameters"] == {"rope_theta": 100_000.0, "rope_type": "default"}
    assert smollm.config["num_key_value_heads"] == 3
    assert smollm.licence == "apache-2.0"
    assert smollm.name == "Smollm2 135M 8k Lc100K Mix1 Ep2"


@pytest.fixture(scope="module")
def their_tokenizer() -> transformers.PreTrainedTokenizerBase:
    path = resolve_model("smollm2")
    found: transformers.PreTrainedTokenizerBase = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    return found


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_gguf_ids_are_those_of_transformers(
    smollm: GgufFile, their_tokenizer: transformers.PreTrainedTokenizerBase, text: str
) -> None:
    ids = their_tokenizer(text)["input_ids"]
    assert smollm.tokenizer.prompt_ids(text) == ids
    assert smollm.tokenizer.decode(ids) == their_tokenizer.decode(ids, skip_special_tokens=True)


@pytest.fixture(scope="module")
def published(their_tokenizer: transformers.PreTrainedTokenizerBase) -> tokenizers.Tokenizer:
    """`transformers` does not know the name "smollm" and splits as GPT-2 does; this has the splitter of the published model."""
    backend = tokenizers.Tokenizer.from_str(their_tokenizer.backend_tokenizer.to_str())
    digits, bytes_ = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
    return backend


@given(text=st.text(max_size=60) | st.text(" \n\t0123²½Ⅷ٣ab.<|im_start|>", max_size=30))
def test_gguf_splits_digits_as_the_file_says(smollm: GgufFile, published: tokenizers.Tokenizer, text: str) -> None:
    assert smollm.tokenizer.prompt_ids(text) == published.encode(text).ids


def test_gguf_digits_take_no_blank_with_them(smollm: GgufFile, their_tokenizer: transformers.PreTrainedTokenizerBase) -> None:
    spelled = [smollm.tokenizer.id_to_token(number) for number in smollm.tokenizer.prompt_ids("a  1")]
    assert spelled == ["a", "ĠĠ", "1"]
    assert their_tokenizer.tokenize("a  1") == ["a", "Ġ", "Ġ", "1"], "where transformers differs"


def test_gguf_roles_are_those_of_the_file(smollm: GgufFile) -> None:
    ours = smollm.tokenizer
    assert [ours.unknown_id, ours.bos_id, ours.eos_id, ours.pad_id] == [0, 1, 2, 2]
    assert ours.vocab_size == 49_152
    assert smollm.chat_template is not None
    assert "SmolLM, trained by Hugging Face" in smollm.chat_template


def test_gguf_tokenizer_is_saved_as_hugging_faces(smollm: GgufFile, tmp_path: Path) -> None:
    smollm.tokenizer.save(tmp_path)
    again, theirs = Tokenizer.load(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    for text in TEXTS:
        assert again.prompt_ids(text) == theirs(text)["input_ids"] == smollm.tokenizer.prompt_ids(text)
    assert again.chat_template == theirs.chat_template == smollm.chat_template
    assert (again.bos_id, again.eos_id) == (theirs.bos_token_id, theirs.eos_token_id) == (1, 2)


# --- small files ---

NO_WRITER = (Kind.Q4_K, Kind.Q6_K)  # the library reads these, and does not write them
HIDDEN, INNER, HEADS, GROUPS, BLOCKS = 256, 512, 4, 2, 2
TOKENS = ["<|end|>", "<|start|>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab", "<tool>"]


def small_model(*, tied: bool = False) -> transformers.LlamaForCausalLM:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=HIDDEN,
        intermediate_size=INNER,
        num_hidden_layers=BLOCKS,
        num_attention_heads=HEADS,
        num_key_value_heads=GROUPS,
        max_position_embeddings=64,
        tie_word_embeddings=tied,
    )
    return transformers.LlamaForCausalLM(config)


def pairs(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows as llama.cpp wants them: the halves of a head interleaved."""
    return rows.reshape(heads, 2, -1, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def their_names() -> dict[str, str]:
    table = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, BLOCKS)
    names = small_model().state_dict()
    return {name: f"{table.get_name(name.removesuffix('.weight'))}.weight" for name in names}


def write(
    path: Path,
    *,
    kind: Kind = Kind.F32,
    tied: bool = False,
    keys: dict[str, Any] | None = None,
    tensors: Callable[[dict[str, np.ndarray]], None] = lambda _: None,
) -> Path:
    """A whole small model; `keys` replaces metadata (None leaves one out), `tensors` changes what is stored."""
    writer = gguf.GGUFWriter(path, "llama")
    metadata: dict[str, Any] = {
        "llama.block_count": BLOCKS,
        "llama.context_length": 64,
        "llama.embedding_length": HIDDEN,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": GROUPS,
        "llama.attention.layer_norm_rms_epsilon": 1e-6,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": [3, 3, *[1] * (len(TOKENS) - 3), 4],
        "tokenizer.ggml.merges": ["a b"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 0,
        **(keys or {}),
    }
    for key, value in metadata.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        elif isinstance(value, str):
            writer.add_string(key, value)
        elif value is not None:
            writer.add_array(key, value)
    stored = {}
    for name, tensor in small_model(tied=tied).state_dict().items():
        if not (tied and name == "lm_head.weight"):
            rows = tensor.numpy()
            rows = pairs(rows, HEADS) if "q_proj" in name else pairs(rows, GROUPS) if "k_proj" in name else rows
            stored[their_names()[name]] = rows
    tensors(stored)
    for name, rows in stored.items():
        of = kind if rows.ndim > 1 and rows.dtype == np.float32 else None
        if of in NO_WRITER:
            writer.add_tensor(name, random_blocks(rows.shape, of), raw_dtype=of)
        elif of is not None:
            writer.add_tensor(name, quantize(rows, of), raw_dtype=of)
        else:
            writer.add_tensor(name, rows)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_blocks(shape: tuple[int, ...], kind: Kind) -> np.ndarray:
    block, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = np.random.default_rng(sum(shape)).integers(0, 256, (shape[0], shape[1] // block, size), np.uint8)
    for scale in {Kind.Q4_K: (0, 2), Kind.Q6_K: (208,)}[kind]:
        blocks[..., scale : scale + 2] = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    return blocks.reshape(shape[0], -1)


@pytest.mark.parametrize("tied", [False, True])
def test_gguf_a_float32_file_gives_the_model_that_was_written(tmp_path: Path, tied: bool) -> None:
    held = read_gguf(write(tmp_path / "small.gguf", tied=tied))
    wanted = small_model(tied=tied).state_dict()
    if tied:
        wanted.pop("lm_head.weight")
    assert held.config["tie_word_embeddings"] is tied
    assert set(held.tensors) == set(wanted)
    for name, tensor in held.tensors.items():
        assert torch.equal(tensor, wanted[name]), name
    assert transformers.LlamaConfig(**held.config).num_key_value_heads == GROUPS
    assert held.parameters == sum(tensor.numel() for tensor in wanted.values())


@pytest.mark.parametrize(
    "kind",
    [Kind.F16, Kind.BF16, Kind.Q4_0, Kind.Q4_1, Kind.Q5_0, Kind.Q5_1, Kind.Q8_0, Kind.Q4_K, Kind.Q6_K],
    ids=lambda kind: kind.name,
)
def test_gguf_quantised_tensors_are_dequantised_as_the_library_does(tmp_path: Path, kind: Kind) -> None:
    path = write(tmp_path / "small.gguf", kind=kind)
    held = read_gguf(path)
    model = small_model()
    assert held.types[kind.name] == 2 + 7 * BLOCKS
    reference = load_gguf_checkpoint(str(path), return_tensors=True, model_to_load=model)["tensors"]
    for name, original in model.state_dict().items():
        assert torch.equal(held.tensors[name], reference[name]), name
        if original.ndim == 1:
            assert torch.equal(held.tensors[name], original)
        elif kind not in NO_WRITER:
            # rows move as wholes, so blocks, which lie within a row, do not change
            wanted = torch.from_numpy(dequantize(quantize(original.numpy(), kind), kind))
            assert torch.equal(held.tensors[name], wanted.reshape(original.shape)), name


def test_gguf_a_tensor_can_be_changed_and_leaves_the_file_alone(tmp_path: Path) -> None:
    held = read_gguf(write(tmp_path / "small.gguf"))
    first = held.tensors["model.norm.weight"]
    first.zero_()
    assert held.tensors["model.norm.weight"].sum() == HIDDEN


def test_gguf_keys_that_may_be_absent_have_their_meaning(tmp_path: Path) -> None:
    config = read_gguf(write(tmp_path / "small.gguf")).config
    assert config["rope_theta"] == 10_000.0
    assert config["vocab_size"] == len(TOKENS)
    assert config["head_dim"] == HIDDEN // HEADS
    assert config["pad_token_id"] is None
    assert "rope_scaling" not in config
    scaled = {"llama.rope.freq_base": 5e5, "llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    config = read_gguf(write(tmp_path / "scaled.gguf", keys=scaled | {"llama.vocab_size": 300})).config
    assert config["rope_scaling"] == {"rope_type": "linear", "factor": 4.0}
    assert config["rope_theta"] == 5e5
    assert config["vocab_size"] == 300


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"general.architecture": "qwen2"}, "general.architecture is 'qwen2'"),
        ({"llama.expert_count": 8}, "llama.expert_count is 8"),
        ({"llama.attention.sliding_window": 4096}, "llama.attention.sliding_window is a key that nothing reads"),
        ({"llama.rope.scaling.type": "yarn"}, "llama.rope.scaling.type is 'yarn'"),
        ({"llama.rope.dimension_count": 32}, "llama.rope.dimension_count is 32"),
        ({"llama.attention.causal": False}, "llama.attention.causal is False"),
        ({"llama.block_count": None}, "llama.block_count is missing"),
        ({"llama.block_count": 0}, "llama.block_count is 0"),
        ({"llama.block_count": 2**31 - 1}, "llama.block_count is 2,147,483,647, but there are 21 tensors"),
        ({"llama.block_count": 3}, r"missing: blk\.2\.attn_norm\.weight"),
        ({"llama.block_count": 1}, r"unexpected: blk\.1\.attn_norm\.weight"),
        ({"llama.embedding_length": "wide"}, "llama.embedding_length is 'wide'"),
        ({"llama.attention.head_count": 8}, r"wrong shape: blk\.0\.attn_k\.weight is \[128, 256\], expected \[64, 256\]"),
        ({"llama.attention.head_count_kv": [2, 1]}, "llama.attention.head_count_kv is"),
        ({"llama.attention.layer_norm_rms_epsilon": None}, "llama.attention.layer_norm_rms_epsilon is missing"),
        ({"llama.rope.freq_base": float("nan")}, "llama.rope.freq_base is nan"),
        ({"general.quantization_version": 3}, "general.quantization_version is 3"),
        ({"general.alignment": 0}, "general.alignment is 0"),
        ({"split.count": 2}, "split.count is 2"),
        ({"tokenizer.ggml.model": "llama"}, "tokenizer.ggml.model is 'llama'"),
        ({"tokenizer.ggml.model": None, "tokenizer.ggml.pre": None}, "tokenizer.ggml.pre is missing"),
        ({"tokenizer.ggml.pre": "llama-bpe"}, "tokenizer.ggml.pre is 'llama-bpe'"),
        ({"tokenizer.ggml.tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokenizer.ggml.tokens": ["a"] * len(TOKENS)}, "only 1 of them are different"),
        ({"tokenizer.ggml.token_type": [1, 1]}, "tokenizer.ggml.token_type is 2"),
        ({"tokenizer.ggml.merges": ["a b c"]}, "tokenizer.ggml.merges is 'a b c'"),
        ({"tokenizer.ggml.merges": ["a nowhere"]}, "its tokenizer is damaged"),
        ({"tokenizer.ggml.eos_token_id": 9999}, "tokenizer.ggml.eos_token_id is 9999"),
        ({"tokenizer.ggml.add_space_prefix": True}, "tokenizer.ggml.add_space_prefix is True"),
    ],
)
def test_gguf_what_is_not_implemented_is_named(tmp_path: Path, keys: dict[str, Any], reason: str) -> None:
    with pytest.raises(ModelFolderError, match=reason):
        read_gguf(write(tmp_path / "small.gguf", keys=keys))


def test_gguf_all_tensors_that_do_not_fit_are_one_error(tmp_path: Path) -> None:
    def change(stored: dict[str, np.ndarray]) -> None:
        del stored["blk.0.ffn_up.weight"], stored["output_norm.weight"]
        stored["rope_freqs.weight"] = np.ones(32, np.float32)
        stored["blk.1.attn_q.bias"] = np.ones(32, np.float32)

    with pytest.raises(ModelFolderError) as error:
        read_gguf(write(tmp_path / "small.gguf", tensors=change))
    for complaint in (
        "missing: blk.0.ffn_up.weight",
        "missing: output_norm.weight",
        "unexpected: rope_freqs.weight",
        "unexpected: blk.1.attn_q.bias",
    ):
        assert complaint in str(error.value)


def test_gguf_a_type_of_tensor_that_is_not_implemented_is_named(tmp_path: Path) -> None:
    def change(stored: dict[str, np.ndarray]) -> None:
        stored["output_norm.weight"] = np.ones(HIDDEN, np.int32)

    with pytest.raises(ModelFolderError, match=r"output_norm\.weight is stored as I32"):
        read_gguf(write(tmp_path / "small.gguf", tensors=change))


# --- small tokenizers ---


def test_gguf_tokens_of_the_user_are_whole_and_not_special(tmp_path: Path) -> None:
    ours = read_gguf(write(tmp_path / "small.gguf")).tokenizer
    ids = ours.prompt_ids("<|start|>ab<tool>")
    assert ids == [1, TOKENS.index("ab"), TOKENS.index("<tool>")]
    assert ours.decode(ids) == "ab<tool>"
    assert ours.encode(["ab"], max_length=8)[0][0].token_ids == [TOKENS.index("ab")], "nothing is put around a text"


@pytest.mark.parametrize(("first", "last"), [(True, False), (False, True), (True, True)])
def test_gguf_tokens_around_a_text_are_those_of_transformers(tmp_path: Path, first: bool, last: bool) -> None:
    keys = {"tokenizer.ggml.add_bos_token": first, "tokenizer.ggml.add_eos_token": last}
    ours = read_gguf(write(tmp_path / "small.gguf", keys=keys)).tokenizer
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path, gguf_file="small.gguf")
    ids = theirs("ab 12")["input_ids"]
    assert ours.encode(["ab 12"], max_length=20)[0][0].token_ids == ids
    assert (ids[0] == 1, ids[-1] == 0) == (first, last)
    assert ours.prompt_ids("ab 12") == ids[first : len(ids) - last]


# --- damage ---


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("small") / "small.gguf", kind=Kind.Q4_0, tied=True)


@pytest.mark.parametrize("content", [b"", b"GG", b"GGUF", b"GGUF\x03\0\0\0", b"PK\x03\x04" + bytes(99), b"GGML" + bytes(99)])
def test_gguf_what_is_no_gguf_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFolderError, match="cannot be read"):
        read_gguf(path)


def test_gguf_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match="cannot be opened: No such file"):
        read_gguf(tmp_path / "nowhere.gguf")
    with pytest.raises(ModelFolderError, match="cannot be opened"):
        read_gguf(tmp_path)


def test_gguf_other_versions_are_named(tmp_path: Path, small: Path) -> None:
    content = bytearray(small.read_bytes())
    for version, reason in ((1, "version 1;"), (2, None), (4, "version 4;"), (3 << 24, "version 50331648;")):
        content[4:8] = struct.pack("<I", version)
        (tmp_path / "other.gguf").write_bytes(content)
        if reason is None:
            assert len(read_gguf(tmp_path / "other.gguf").tensors) == 20
        else:
            with pytest.raises(ModelFolderError, match=reason):
                read_gguf(tmp_path / "other.gguf")


@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.1, 0.5, 0.9, 0.9999])
def test_gguf_a_file_that_is_cut_off_is_refused(tmp_path: Path, small: Path, share: float) -> None:
    content = small.read_bytes()
    (tmp_path / "cut.gguf").write_bytes(content[: max(9, int(len(content) * share))])
    with pytest.raises(ModelFolderError, match="ends at byte"):
        read_gguf(tmp_path / "cut.gguf")


patches = st.binary(min_size=1, max_size=9) | st.sampled_from([b"\xff" * 8, b"\0" * 8, struct.pack("<Q", 2**62)])


@given(where=st.lists(st.tuples(st.floats(0, 1), patches), min_size=1, max_size=4))
def test_gguf_any_damage_is_one_error_or_none(
    small: Path, tmp_path_factory: pytest.TempPathFactory, where: list[tuple[float, bytes]]
) -> None:
    content = bytearray(small.read_bytes())
    header = content.index(b"output_norm.weight") + 50
    for share, patch in where:
        place = 4 + int(share * (header - 4))
        content[place : place + len(patch)] = patch
    path = tmp_path_factory.getbasetemp() / "damaged.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        held = read_gguf(path)
        event("read")
        assert {tensor.dtype for tensor in held.tensors.values()} == {torch.float32}
    except ModelFolderError:
        event("refused")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * len(content)


def entry(name: bytes, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


HUGE = 2**62
LIES = {
    "tensors": struct.pack("<QQ", HUGE, 0),
    "keys": struct.pack("<QQ", 0, HUGE),
    "name": struct.pack("<QQQ", 0, 1, HUGE),
    "text": struct.pack("<QQ", 0, 1) + entry(b"a", 8, struct.pack("<Q", HUGE)),
    "texts": struct.pack("<QQ", 0, 1) + entry(b"a", 9, struct.pack("<IQ", 8, HUGE)),
    "numbers": struct.pack("<QQ", 0, 1) + entry(b"a", 9, struct.pack("<IQ", 12, HUGE)),
    "arrays": struct.pack("<QQ", 0, 1) + entry(b"a", 9, struct.pack("<IQ", 9, HUGE)),
    "type": struct.pack("<QQ", 0, 1) + entry(b"a", 99, b""),
    "twice": struct.pack("<QQ", 0, 2) + entry(b"a", 0, b"\0") * 2,
    "no text": struct.pack("<QQ", 0, 1) + entry(b"\xff\xfe", 0, b"\0"),
    "sizes": struct.pack("<QQQ", 1, 0, 1) + b"t" + struct.pack("<IQQIQ", 2, 2**32, 2**32, 0, 0),
    "dimensions": struct.pack("<QQQ", 1, 0, 1) + b"t" + struct.pack("<I", 2**31),
    "no size": struct.pack("<QQQ", 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 0, 0, 0),
    "part of a block": struct.pack("<QQQ", 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 31, 2, 0),
    "kind of tensor": struct.pack("<QQQ", 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 32, 999, 0),
    "place": struct.pack("<QQQ", 1, 0, 1) + b"t" + struct.pack("<IQIQ", 1, 32, 0, HUGE),
    "tensor twice": struct.pack("<QQ", 2, 0) + (struct.pack("<Q", 1) + b"t" + struct.pack("<IQIQ", 1, 8, 0, 0)) * 2,
    "over each other": struct.pack("<QQ", 2, 0)
    + b"".join(struct.pack("<Q", 1) + name + struct.pack("<IQIQ", 1, 8, 0, 0) for name in (b"t", b"u")),
}


@pytest.mark.parametrize("lie", LIES)
def test_gguf_a_header_that_lies_costs_nothing(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "lie.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + LIES[lie] + bytes(500))
    tracemalloc.start()
    with pytest.raises(ModelFolderError, match="cannot be read"):
        read_gguf(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


# --- where it is found ---


def test_resolve_finds_a_gguf_file(tmp_path: Path, small: Path) -> None:
    assert resolve_model("smollm2").name == "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert resolve_model(small) == resolve_model(small.parent) == small
    (tmp_path / "a.gguf").write_bytes(b"")
    (tmp_path / "b.gguf").write_bytes(b"")
    with pytest.raises(ModelFolderError, match=r"is not a model folder: it is a folder with a\.gguf, b\.gguf"):
        resolve_model(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    assert resolve_model(tmp_path) == tmp_path
