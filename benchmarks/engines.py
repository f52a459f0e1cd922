"""The engines that answer with one set of weights: fathom, and what people would otherwise use, each as its documentation
advises. Every one gets texts and gives (texts, classes) probabilities in their order; tokenization is part of its work.

All but `Pipeline`, which is measured as it comes, sort the texts by length and compute batches of 32.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

ROWS = 32  # of a batch


class Engine(ABC):
    """Loads a model folder. `work` is an empty folder for what it converts; `calibration` some texts that are not measured."""

    package = "transformers"
    on_gpus = False  # whether it is measured there

    def __init__(
        self, folder: Path, max_length: int, threads: int, work: Path, calibration: list[str], device: str = "cpu"
    ) -> None:
        self.folder, self.max_length, self.threads, self.work = folder, max_length, threads, work
        self.calibration, self.device = calibration, device
        self.prepare()

    @classmethod
    def unusable(cls, device: str) -> str | None:
        """Why this machine is none for it; None: it is one."""
        return None if device == "cpu" or cls.on_gpus else "measured on processors only"

    @classmethod
    def version(cls) -> str:
        return f"{cls.package} {version(cls.package)}"

    @abstractmethod
    def prepare(self) -> None:
        """Everything that is done once."""

    @abstractmethod
    def probabilities(self, texts: list[str]) -> np.ndarray:
        """(texts, classes)."""

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(self.folder)

    def batches(self, texts: list[str]) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Places of the texts and the arrays of a batch, the longest texts first."""
        found = self.tokenizer(texts, truncation=True, max_length=self.max_length)
        order = np.argsort([-len(ids) for ids in found["input_ids"]], kind="stable")
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            held = {name: [found[name][row] for row in rows] for name in found}
            yield rows, dict(self.tokenizer.pad(held, return_tensors="np"))

    def in_batches(self, texts: list[str], logits: Callable[[dict[str, np.ndarray]], np.ndarray]) -> np.ndarray:
        """What `logits` makes of all batches."""
        places, parts = zip(*((rows, logits(batch)) for rows, batch in self.batches(texts)), strict=True)
        found = np.concatenate(parts)
        ordered = np.empty_like(found)
        ordered[np.concatenate(places)] = found
        result: np.ndarray = softmax(ordered.astype(np.float64), axis=1)
        return result


# ------------------------------------------------------------------------------------------------------------- fathom


class Fathom(Engine):
    """`Predictor.predict_proba`, as `fathom predict` and `fathom evaluate` call it."""

    package = "fathom-lm"
    precision = "float32"
    on_gpus = True

    def prepare(self) -> None:
        import torch

        from fathom.inference import Predictor

        torch.set_num_threads(self.threads)
        self.predictor = Predictor.load(self.folder, precision=self.precision, device=self.device)  # type: ignore[arg-type]
        self.predictor.about = self.predictor.about.model_copy(update={"max_length": self.max_length, "temperature": 1.0})

    def probabilities(self, texts: list[str]) -> np.ndarray:
        return self.predictor.predict_proba(texts)


class FathomFast(Fathom):
    """The same with `precision="auto"`: bfloat16 where the processor has it."""

    precision = "auto"

    @classmethod
    def unusable(cls, device: str) -> str | None:
        return super().unusable(device) or (
            None if _bfloat16(device) else "no fast bfloat16 here, so it would be the same as fathom"
        )


# -------------------------------------------------------------------------------------------------------- transformers


class Pipeline(Engine):
    """`transformers.pipeline("text-classification")` as it comes."""

    on_gpus = True

    def prepare(self) -> None:
        import torch
        from transformers import pipeline

        torch.set_num_threads(self.threads)
        self.pipeline = pipeline("text-classification", model=str(self.folder), device=self.device, top_k=None)
        self.numbers = self.pipeline.model.config.label2id

    def probabilities(self, texts: list[str]) -> np.ndarray:
        answers = self.pipeline(texts, truncation=True, max_length=self.max_length)
        found = np.empty((len(texts), len(self.numbers)))
        for row, answer in enumerate(answers):
            for one in answer:
                found[row, self.numbers[one["label"]]] = one["score"]
        return found


class Transformers(Engine):
    """`AutoModelForSequenceClassification` in float32, in inference mode."""

    compiled, dtype, on_gpus = False, "float32", True

    def prepare(self) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification

        torch.set_num_threads(self.threads)
        model = AutoModelForSequenceClassification.from_pretrained(self.folder, dtype=getattr(torch, self.dtype)).eval()
        model = model.to(self.device)
        self.model = torch.compile(model, dynamic=True) if self.compiled else model

    def probabilities(self, texts: list[str]) -> np.ndarray:
        import torch

        def logits(batch: dict[str, np.ndarray]) -> np.ndarray:
            with torch.inference_mode():
                found = self.model(**{name: torch.from_numpy(array).to(self.device) for name, array in batch.items()}).logits
            array: np.ndarray = found.float().cpu().numpy()
            return array

        return self.in_batches(texts, logits)


class TransformersCompiled(Transformers):
    """The same, through `torch.compile(dynamic=True)`."""

    compiled = True


class TransformersBfloat16(Transformers):
    """In bfloat16."""

    dtype = "bfloat16"

    @classmethod
    def unusable(cls, device: str) -> str | None:
        return super().unusable(device) or (None if _bfloat16(device) else "no fast bfloat16 here")


class TransformersBfloat16Compiled(TransformersBfloat16):
    """In bfloat16, through `torch.compile(dynamic=True)`."""

    compiled = True


# -------------------------------------------------------------------------------------------------------- ONNX Runtime


class OnnxRuntime(Engine):
    """Exported, optimised with its transformer fusions for BERT."""

    package = "onnxruntime"
    int8 = False

    def prepare(self) -> None:
        import onnx
        import onnxruntime as ort
        from onnxruntime.quantization import QuantType, quantize_dynamic

        path = fused_onnx(self.folder, self.work)
        if self.int8:  # without VNNI, its documentation advises reduce_range against saturation on AVX2
            whole, path = path, self.work / "int8.onnx"
            vnni = {"avx512_vnni", "avx_vnni"} & processor_flags()
            types = {"DefaultTensorType": onnx.TensorProto.FLOAT}  # of what its shape inference cannot see through a fusion
            quantize_dynamic(
                whole, path, per_channel=True, reduce_range=not vnni, weight_type=QuantType.QInt8, extra_options=types
            )
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {entry.name: np.int32 if "int32" in entry.type else np.int64 for entry in self.session.get_inputs()}

    def probabilities(self, texts: list[str]) -> np.ndarray:
        def logits(batch: dict[str, np.ndarray]) -> np.ndarray:
            held = {name: batch[name].astype(kind) for name, kind in self.inputs.items()}
            found: np.ndarray = self.session.run(None, held)[0]
            return found

        return self.in_batches(texts, logits)


class OnnxRuntimeInt8(OnnxRuntime):
    """The same with its dynamic int8 quantization, a scale for each channel."""

    int8 = True


def exported_onnx(folder: Path, work: Path) -> Path:
    """The model as ONNX with axes of any size."""
    import torch
    from transformers import AutoModelForSequenceClassification

    path = work / "model.onnx"
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    model.config.return_dict = False
    ones = torch.ones(2, 16, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # the older exporter: the fusions know the patterns that it writes
        torch.onnx.export(
            model,
            (ones, ones, ones * 0),
            str(path),
            input_names=names,
            output_names=["logits"],
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in names} | {"logits": {0: "rows"}},
            opset_version=17,
            dynamo=False,
        )
    return path


def fused_onnx(folder: Path, work: Path) -> Path:
    """The exported model after ONNX Runtime's fusions; a model without a fused attention is no fair peer and refused."""
    import json

    from onnxruntime.transformers import optimizer

    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = optimizer.optimize_model(
        str(exported_onnx(folder, work)),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
    )
    fused = found.get_fused_operator_statistics()
    if not fused.get("Attention") and not fused.get("MultiHeadAttention"):
        raise RuntimeError(f"ONNX Runtime fused no attention: {fused}")
    path = work / "fused.onnx"
    found.save_model_to_file(str(path))
    return path


# ------------------------------------------------------------------------------------------------------------ OpenVINO


class OpenVino(Engine):
    """Converted; as many streams as its throughput hint chooses, requests in flight side by side."""

    package = "openvino"
    int8, precision = False, "f32"

    def prepare(self) -> None:
        import openvino as ov

        core = ov.Core()
        model = ov.convert_model(exported_onnx(self.folder, self.work))
        if self.int8:
            model = self._quantized(model)
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        self.compiled = core.compile_model(model, "CPU", settings)
        self.names = [entry.get_any_name() for entry in self.compiled.inputs]

    def _quantized(self, model: Any) -> Any:
        import logging

        import nncf

        logging.getLogger("nncf").setLevel(logging.ERROR)
        rows = [{name: batch[name] for name in batch} for _, batch in self.batches(self.calibration)]
        return nncf.quantize(model, nncf.Dataset(rows), model_type=nncf.ModelType.TRANSFORMER)

    def probabilities(self, texts: list[str]) -> np.ndarray:
        from openvino import AsyncInferQueue

        parts: list[tuple[np.ndarray, np.ndarray]] = []
        queue = AsyncInferQueue(self.compiled)
        queue.set_callback(lambda request, rows: parts.append((rows, request.get_output_tensor(0).data.copy())))
        for rows, batch in self.batches(texts):
            queue.start_async({name: batch[name] for name in self.names}, rows)
        queue.wait_all()
        found = np.empty((len(texts), parts[0][1].shape[1]))
        for rows, logits in parts:
            found[rows] = logits
        result: np.ndarray = softmax(found, axis=1)
        return result


class OpenVinoBfloat16(OpenVino):
    """In bfloat16."""

    precision = "bf16"

    @classmethod
    def unusable(cls, device: str) -> str | None:
        return super().unusable(device) or (None if _bfloat16(device) else "no fast bfloat16 here")


class OpenVinoInt8(OpenVino):
    """Quantized by NNCF for transformers, with texts that are not measured."""

    int8 = True


# --------------------------------------------------------------------------------------------------------- CTranslate2


class CTranslate2(Engine):
    """Its BERT encoder; the classifier on top is one matrix product."""

    package = "ctranslate2"
    compute = "float32"

    def prepare(self) -> None:
        import ctranslate2
        from ctranslate2.converters import TransformersConverter
        from safetensors.numpy import load_file
        from transformers import AutoModel

        base = self.work / "base"  # it reads the encoder, not the classifier
        AutoModel.from_pretrained(self.folder).save_pretrained(base)
        self.tokenizer.save_pretrained(base)
        TransformersConverter(str(base)).convert(str(self.work / "model"), force=True)
        # one worker with all threads, and batches one after the other, as its documentation advises for few cores
        self.encoder = ctranslate2.Encoder(
            str(self.work / "model"), device="cpu", compute_type=self.compute, intra_threads=self.threads
        )
        weights = load_file(self.folder / "model.safetensors")
        self.pooled = weights["bert.pooler.dense.weight"], weights["bert.pooler.dense.bias"]
        self.classes = weights["classifier.weight"], weights["classifier.bias"]

    def probabilities(self, texts: list[str]) -> np.ndarray:
        def logits(batch: dict[str, np.ndarray]) -> np.ndarray:
            lengths = batch["attention_mask"].sum(axis=1)
            ids = [row[:length].tolist() for row, length in zip(batch["input_ids"], lengths, strict=True)]
            first = np.asarray(self.encoder.forward_batch(ids).last_hidden_state)[:, 0]
            pooled = np.tanh(first @ self.pooled[0].T + self.pooled[1])
            found: np.ndarray = pooled @ self.classes[0].T + self.classes[1]
            return found

        return self.in_batches(texts, logits)


class CTranslate2Int8(CTranslate2):
    """The same in int8."""

    compute = "int8"


ENGINES: dict[str, type[Engine]] = {
    "fathom": Fathom,
    "fathom, auto": FathomFast,
    "transformers pipeline": Pipeline,
    "transformers": Transformers,
    "transformers, compiled": TransformersCompiled,
    "transformers, bf16": TransformersBfloat16,
    "transformers, bf16, compiled": TransformersBfloat16Compiled,
    "ONNX Runtime": OnnxRuntime,
    "ONNX Runtime, int8": OnnxRuntimeInt8,
    "OpenVINO": OpenVino,
    "OpenVINO, bf16": OpenVinoBfloat16,
    "OpenVINO, int8": OpenVinoInt8,
    "CTranslate2": CTranslate2,
    "CTranslate2, int8": CTranslate2Int8,
}


def processor_flags() -> set[str]:
    """As Linux lists them; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return next((set(line.split(":")[1].split()) for line in lines if line.startswith("flags")), set())


def _bfloat16(device: str) -> bool:
    import torch

    from fathom.model.precision import fast_bfloat16

    return fast_bfloat16(torch.device(device))
