"""Writes the figures of benchmarks/results/ into the READMEs, between <!-- figures --> and <!-- /figures -->.

Those of pre-training (benchmarks/pretraining.py) go between <!-- pretraining --> and <!-- /pretraining -->, those of audits
(benchmarks/audits.py) between <!-- audits --> and <!-- /audits -->, those of speed (`make bench`) between <!-- speed --> and
<!-- /speed -->; what has no record is left out.

python benchmarks/figures.py            write
python benchmarks/figures.py --check    say whether they agree (a test does)
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh-CN.md"}

WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "head": "| data | model | test answers right (95 %) | bag of words | difference, points | training |",
        "rotten": "Rotten Tomatoes verdicts, films never seen",
        "imdb": "IMDB, 25,000 test reviews",
        "chinese": "ChnSentiCorp, 1,200 Chinese test reviews",
        "minilm": "MiniLM, pre-trained, fine-tuned",
        "scratch": "1-layer Transformer, random weights, spaCy words",
        "scratch_bpe": "1-layer Transformer, random weights, byte-level BPE",
        "seeds": "seeds {}: mean {}",
        "minutes": "{} min",
        "machine": "Measured with fathom {version} on {threads} threads of {processor} ({kernels}), torch {torch}.",
        "seen": "{n} of the {total} IMDB test reviews also stand in its training part; without them the fine-tuned MiniLM "
        "reaches {accuracy}.",
        "loses": "On IMDB the Transformer from random weights answers {gap} points fewer reviews rightly than the bag of words "
        "that learned from the same texts (mean over seeds {seeds}); the pre-trained one {minilm_gap} points more (one seed).",
        "chinese_seen": "On ChnSentiCorp the bag of words counts jieba's words. {n} of the {total} test reviews also stand in "
        "the training part. On the others, over seeds {seeds}, the Transformer is right on {model}, the bag of words on {bag} "
        "(differences: {differences} points); the 95 % interval of the difference lies above 0 with {above} of the "
        "{all} seeds, below it with {below}, and around it with {around}. These runs used {threads} thread.",
        "in_context": "SmolLM2 without any training, on {n} of the verdicts, with two ways to ask: without examples it is "
        "right on {zero}, with {shots} examples in its prompt on {shot} (mean of {orderings} draws), with their labels "
        "shuffled on {shuffled}; always the most frequent label on {majority}.",
    },
    "zh": {
        "head": "| 数据 | 模型 | 测试正确率（95 % 区间） | 词袋模型 | 差值（百分点） | 训练用时 |",
        "rotten": "烂番茄短评，测试影片训练时从未见过",
        "imdb": "IMDB，25,000 条测试影评",
        "chinese": "ChnSentiCorp，1,200 条中文测试评论",
        "minilm": "MiniLM，预训练后微调",
        "scratch": "一层 Transformer，随机初始化，spaCy 分词",
        "scratch_bpe": "一层 Transformer，随机初始化，字节级 BPE",
        "seeds": "种子 {}：均值 {}",
        "minutes": "{} 分钟",
        "machine": "测量环境：fathom {version}，{processor}（{kernels}）的 {threads} 个线程，torch {torch}。",
        "seen": "IMDB 的 {total} 条测试影评中有 {n} 条也出现在训练集里；去掉它们，微调后的 MiniLM 正确率为 {accuracy}。",
        "loses": "在 IMDB 上，从随机权重出发的 Transformer 的正确率比用同样文本训练的词袋模型低 {gap} 个百分点"
        "（种子 {seeds} 的均值）；预训练过的那个则高 {minilm_gap} 个百分点（一个种子）。",
        "chinese_seen": "ChnSentiCorp 上的词袋数的是 jieba 分出的词。{total} 条测试评论中有 {n} 条也出现在训练集里。"
        "在其余评论上，种子 {seeds} 的平均正确率，Transformer 为 {model}，词袋为 {bag}（差值依次为 {differences} 个百分点）；"
        "{all} 个种子中，差值的 95 % 区间全在 0 之上的有 {above} 个，全在 0 之下的有 {below} 个，跨过 0 的有 {around} 个。"
        "这几次运行用了 {threads} 个线程。",
        "in_context": "完全不训练的 SmolLM2，在 {n} 条短评上，两种问法：不给例子，正确率 {zero}；"
        "提示里给 {shots} 个例子，{shot}（{orderings} 次抽取的均值）；例子的标签打乱，{shuffled}；"
        "永远回答最常见的标签，{majority}。",
    },
}


PRETRAINING: dict[str, dict[str, Any]] = {
    "en": {
        "head": "| labels | {} | {} | gap, points (95 %) | bag of words |",
        "arms": {
            "pretrained": "pre-trained on 75,000 reviews",
            "random": "random weights",
            "continued": "MiniLM, continued on IMDB",
            "plain": "MiniLM",
        },
        "transfer": "{weights:.1f} million weights that read {tokens:.0f} million tokens in {minutes:.0f} minutes {place}. "
        "Test answers right, mean of {seeds} seeds; the intervals are over seeds and test reviews.",
        "core": "on one core of {}",
        "gpu": "on {}",
        "bits": "| model | tokens read | bits per byte of held-out reviews |",
        "causal": "causal, left to right",
        "permutation": "permutation, left to right",
        "drawn": "permutation, in a drawn order",
        "kneser_ney": "Kneser–Ney, n = {}",
        "xz": "xz -9e, after the training text",
        "relations": "| base | next sentence, own head | sentence order, own head | next sentence, probe "
        "| sentence order, probe | answerable | better |",
        "words": "bag of words",
        "optimizers": "| optimizer | rate | updates | loss on held-out reviews, nats a token |",
        "equal": "The same FLOPs each; mean of {seeds} seeds and their range. Muon's loss less AdamW's, seed by seed: {gap} "
        "(95 %: {low} to {high}). Each rate is the best of three, chosen with another seed.",
    },
    "zh": {
        "head": "| 标签数 | {} | {} | 差值（百分点，95 % 区间） | 词袋模型 |",
        "arms": {
            "pretrained": "在 75,000 条影评上预训练",
            "random": "随机初始化",
            "continued": "MiniLM，在 IMDB 上继续预训练",
            "plain": "MiniLM",
        },
        "transfer": "{weights_wan:,.0f} 万个权重，{place}用 {minutes:.0f} 分钟读了 {tokens_wan:,.0f} 万个词元。"
        "测试正确率，{seeds} 个种子的均值；区间同时考虑种子与测试影评。",
        "core": "在 {} 的一个核上",
        "gpu": "在 {} 上",
        "bits": "| 模型 | 读过的词元 | 留出影评上每字节的比特数 |",
        "causal": "因果模型，从左到右",
        "permutation": "排列模型，从左到右",
        "drawn": "排列模型，随机顺序",
        "kneser_ney": "Kneser–Ney，n = {}",
        "xz": "xz -9e，接在训练文本之后",
        "relations": "| 基座 | 下一句（自己的头） | 句子顺序（自己的头） | 下一句（探针） | 句子顺序（探针） "
        "| answerable | better |",
        "words": "词袋模型",
        "optimizers": "| 优化器 | 学习率 | 更新次数 | 留出影评上的损失（nat/词元） |",
        "equal": "两者的 FLOPs 相同；{seeds} 个种子的均值与范围。同一种子下，Muon 的损失减去 AdamW 的损失为 {gap}"
        "（95 %：{low} 至 {high}）。学习率用另一个种子从三个里选出。",
    },
}


AUDITS: dict[str, dict[str, Any]] = {
    "en": {
        "limit": "limit",
        "columns": {
            "quickstart": "quickstart: MiniLM, verdicts on films",
            "imdb-minilm": "MiniLM, IMDB",
            "imdb-from-scratch": "Transformer from random weights, IMDB",
            "bag-of-words": "bag of words, IMDB",
        },
        "rows": {
            "accuracy": "answers right",
            "calibration-error": "calibration error",
            "coverage": "answered by itself, where 95 % right is promised",
            "behaviour-negation": "negation: tests passed",
            "behaviour-sarcasm": "praise that blames: tests passed",
            "noise-keyboard": "points lost to slips of the keyboard",
            "attack-characters": "right answers turned by changed letters",
            "attack-words": "right answers turned by words that say the same",
            "turned-by-a-word": "right answers turned by one inserted word",
            "counterfactual-gap": "probability moved by an identity term",
            "sure-of-the-unknown": "foreign texts that it is as sure of as of half of its own",
            "membership-auc": "training texts told from others, AUROC",
            "latency-p50": "milliseconds for one text",
        },
        "note": "In brackets: the 95 % interval. Measured on {threads} thread(s) of {processor}. Columns of unlike data do not "
        "compare. What chance gives, and of how many texts each figure is, stands in the records.",
    },
    "zh": {
        "limit": "方面",
        "columns": {
            "quickstart": "快速上手：MiniLM，影评短句",
            "imdb-minilm": "MiniLM，IMDB",
            "imdb-from-scratch": "随机初始化的 Transformer，IMDB",
            "bag-of-words": "词袋模型，IMDB",
        },
        "rows": {
            "accuracy": "正确率",
            "calibration-error": "校准误差",
            "coverage": "保证 95 % 正确时自行回答的比例",
            "behaviour-negation": "否定：通过的测试",
            "behaviour-sarcasm": "明褒实贬：通过的测试",
            "noise-keyboard": "键盘误触损失的百分点",
            "attack-characters": "改动字母就由对变错",
            "attack-words": "换成同义词就由对变错",
            "turned-by-a-word": "插入一个词就由对变错",
            "counterfactual-gap": "只换身份词，概率的变动",
            "sure-of-the-unknown": "不归它管、却和一半自家文本一样有把握的",
            "membership-auc": "认出训练文本，AUROC",
            "latency-p50": "一条文本的毫秒数",
        },
        "note": "括号内为 95 % 区间；在 {processor} 的 {threads} 个线程上测得。各列的数据不同，数据不同的列不要横向比较；"
        "随机水平和每个数字的文本数都在记录里。",
    },
}


def audits(language: str, results: Path = RESULTS) -> str:
    """The block about audits: a column for each classifier that has a record."""
    words = AUDITS[language]
    files = {name: results / f"audit-{name}.json" for name in words["columns"]}
    records = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in files.items() if path.is_file()}
    if not records:
        return ""
    held = [{measure["name"]: measure for measure in record["measures"]} for record in records.values()]
    rows = [[row, *(_limit(one.get(name)) for one in held)] for name, row in words["rows"].items()]
    head = "| " + " | ".join([words["limit"], *(words["columns"][name] for name in records)]) + " |"
    machines = [record["making"]["machine"] for record in records.values()]
    note = words["note"].format(**{name: _by_column([one[name] for one in machines]) for name in ("threads", "processor")})
    return "\n".join([*_table(head, rows), "", note, ""])


def _by_column(values: list[str]) -> str:
    """Once if all columns have the same, else in their order."""
    return values[0] if len(set(values)) == 1 else " / ".join(values)


def _limit(measure: dict[str, Any] | None) -> str:
    """A figure with its interval, in its unit; a stroke where it was not measured, or says itself that it shows nothing."""
    if measure is None or measure["status"] != "measured" or "reason" in measure:
        return "–"
    scale, decimals, after = {"share": (100, 1, " %"), "points": (1, 1, ""), "seconds": (1000, 1, "")}.get(
        measure["unit"], (1, 3, "")
    )
    value, *ends = (f"{scale * figure:.{decimals}f}".replace("-", "−") for figure in (measure["value"], *measure["interval"]))
    return f"{value}{after} ({'–'.join(ends)})"


SPEED: dict[str, dict[str, Any]] = {
    "en": {
        "head": "| task | fathom | fastest peer with the same answers | times as fast | transformers as it comes |",
        "reviews": "{} IMDB reviews, texts a second",
        "sentences": "{} sentences, texts a second",
        "one sentence": "one sentence, milliseconds",
        "training": "fine-tuning, IMDB reviews a second",
        "startup": "first answer from the shell, seconds",
        "none": "–",
        "note": "Medians of {rounds} rounds in turn, tokenization included, texts of at most {max_length} tokens; "
        "{threads} threads of {processor} ({kernels}), torch {torch}. Of fathom's answers {same} have the label "
        "that transformers gives in float32.",
        "first": "A first answer takes {beyond} s longer than `import torch` alone, and {megabytes} MB at most; the "
        "weights are {weights} MB.",
        "mfu": "Fine-tuning reaches {mfu} of the {peak} GFLOP/s of a large matrix product here, padding not counted as work.",
        "accuracy": "After {reviews} reviews, {epochs} epoch and {seeds} seeds each, fathom is right on {ours} of {test} test "
        "reviews, Trainer on {theirs}.",
        "other": "Faster, with other answers: {}.",
        "one": "{name} ({task}: {speed}, {same} of the labels)",
        "left_out": "Not run here: {}.",
    },
    "zh": {
        "head": "| 任务 | fathom | 回答相同的最快对手 | 倍数 | transformers 默认用法 |",
        "reviews": "{} 条 IMDB 影评，条/秒",
        "sentences": "{} 个短句，条/秒",
        "one sentence": "单个短句，毫秒",
        "training": "微调，IMDB 影评/秒",
        "startup": "从命令行到第一个回答，秒",
        "none": "–",
        "note": "轮流运行 {rounds} 轮的中位数，含分词，每条最多 {max_length} 个词元；"
        "{processor}（{kernels}）的 {threads} 个线程，torch {torch}。"
        "fathom 的回答有 {same} 与 transformers 的 float32 标签相同。",
        "first": "第一个回答比单独 `import torch` 多用 {beyond} 秒，内存最多 {megabytes} MB；权重为 {weights} MB。",
        "mfu": "微调达到这台机器大矩阵乘法 {peak} GFLOP/s 的 {mfu}，填充不算作有效计算。",
        "accuracy": "各用 {reviews} 条影评、{epochs} 轮、{seeds} 个种子训练后，{test} 条测试影评中 fathom 答对 {ours}，"
        "Trainer 答对 {theirs}。",
        "other": "更快但回答不同：{}。",
        "one": "{name}（{task}：{speed}，{same} 的标签相同）",
        "left_out": "这里没有运行：{}。",
    },
}


def speed(language: str, results: Path = RESULTS) -> str:
    """The block about speed: what has a record, in one table, and under it what the figures depend on."""
    words, rows, notes = SPEED[language], [], []
    names = ("inference", "training", "startup", "training-accuracy")
    paths = {name: results / f"{name}.json" for name in names}
    held = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}
    if (record := held.get("inference")) is not None:
        others = []
        for task, found in record["tasks"].items():
            count, _, kind = task.rpartition(" ")
            title = words["one sentence"] if task == "one sentence" else words[kind].format(count)
            rows.append([title, *_raced(found, found["ours"], found["best_peer"], found["times_as_fast"])])
            other = found["fastest_with_other_answers"]
            if other and found["engines"][other]["seconds"]["median"] < found["engines"][found["ours"]]["seconds"]["median"]:
                same = percent(found["engines"][other]["same_label"])
                others.append(words["one"].format(name=other, task=title, speed=_shown(found, other), same=same))
        same = [found["engines"][found["ours"]]["same_label"] for found in record["tasks"].values()]
        notes.append(words["note"].format(**record["setting"], same=percent(min(same))))
        if others:
            notes.append(words["other"].format("; ".join(others)))
        if record["left_out"]:
            notes.append(words["left_out"].format("; ".join(record["left_out"])))
    if (record := held.get("training")) is not None:
        ours, theirs = (record["engines"][name]["reviews_per_second"] for name in ("fathom", "transformers Trainer"))
        rows.append(
            [words["training"], f"{ours:.1f}", f"Trainer: {theirs:.1f}", f"{record['times_as_fast']:.2f}", f"{theirs:.1f}"]
        )
        notes.append(
            words["mfu"].format(mfu=percent(record["model_flops_utilisation"]), peak=f"{record['peak_flops'] / 1e9:,.0f}")
        )
    if (record := held.get("training-accuracy")) is not None:
        means = {name: percent(found["mean"]) for name, found in record["engines"].items()}
        seeds = len(record["engines"]["fathom"]["by_seed"])
        asked = {name: f"{record[name]:,}" for name in ("reviews", "epochs", "test")}
        notes.append(words["accuracy"].format(**asked, seeds=seeds, ours=means["fathom"], theirs=means["transformers Trainer"]))
    if (record := held.get("startup")) is not None:
        ours, theirs = (record["commands"][name] for name in ("fathom predict", "transformers pipeline"))
        seconds = [one["seconds"]["median"] for one in (ours, theirs)]
        rows.append([words["startup"], f"{seconds[0]:.2f}", words["none"], words["none"], f"{seconds[1]:.2f}"])
        megabytes, weights = f"{ours['megabytes']:.0f}", f"{record['weights_megabytes']:.0f}"
        beyond = f"{record['seconds_beyond_torch']:.2f}"
        notes.append(words["first"].format(beyond=beyond, megabytes=megabytes, weights=weights))
    if not rows:
        return ""
    return "\n".join([*_table(words["head"], rows), "", " ".join(notes) if language == "en" else "".join(notes), ""])


def _raced(found: dict[str, Any], ours: str, best: str, ratio: float) -> list[str]:
    """fathom, the fastest peer, how many times as fast, and the pipeline as it comes."""

    pipeline = "transformers pipeline"
    as_it_comes = _shown(found, pipeline) if pipeline in found["engines"] else "–"
    return [_shown(found, ours), f"{best}: {_shown(found, best)}", f"{ratio:.2f}", as_it_comes]


def _shown(found: dict[str, Any], name: str) -> str:
    """Texts a second, or milliseconds of a single one."""
    engine = found["engines"][name]
    return f"{engine['texts_per_second']:.1f}" if engine["texts_per_second"] else f"{1e3 * engine['seconds']['median']:.1f}"


def pretraining(language: str, results: Path = RESULTS) -> str:
    """The block about pre-training: a table for each demonstration that has a record."""
    words, parts = PRETRAINING[language], []
    tables: dict[str, Callable[[dict[str, Any], dict[str, Any]], list[str]]] = {
        "encoder": _transfer,
        "encoder-large": _transfer,
        "continued": _transfer,
        "curves": _bits,
        "relations": _relations,
        "optimizers": _optimizers,
    }
    for name, table in tables.items():
        path = results / f"pretraining-{name}.json"
        if path.is_file():
            parts.append("\n".join(table(json.loads(path.read_text(encoding="utf-8")), words)))
    return "\n\n".join(parts) + "\n"


def _table(head: str, rows: list[list[str]]) -> list[str]:
    return [head, "|---" * len(rows[0]) + "|", *("| " + " | ".join(row) + " |" for row in rows)]


def _transfer(record: dict[str, Any], words: dict[str, Any]) -> list[str]:
    first, second = record["arms"]
    rows = [
        [
            f"{found['labels']:,}",
            *(rate(found[arm]["accuracy"]["value"], found[arm]["accuracy"]["interval"]) for arm in (first, second)),
            f"{points(found['gap']['value'])} ({'–'.join(map(points, found['gap']['interval']))})",
            rate(found["bag_of_words"]["accuracy"]["value"], found["bag_of_words"]["accuracy"]["interval"]),
        ]
        for found in record["results"]
    ]
    head = words["head"].format(words["arms"][first], words["arms"][second])
    base, machine = record["base"], record["base"]["machine"]
    made = {
        "weights": record["parameters"] / 1e6,
        "weights_wan": record["parameters"] / 1e4,
        "tokens": base["metrics"]["tokens"] / 1e6,
        "tokens_wan": base["metrics"]["tokens"] / 1e4,
        "minutes": base["seconds"] / 60,
        "place": words["gpu" if "gpu" in machine else "core"].format(machine.get("gpu", machine["processor"])),
    }
    return [*_table(head, rows), "", words["transfer"].format(seeds=len(record["seeds"]), **made)]


def _bits(record: dict[str, Any], words: dict[str, Any]) -> list[str]:
    models, best = record["models"], record["kneser_ney"]["best"]
    causal, permutation = models["causal"], models["permutation"]
    read_by = {name: held["curve"][-1]["tokens"] for name, held in models.items()}
    rows: list[tuple[str, int, dict[str, Any]]] = [
        (words["causal"], read_by["causal"], causal["left_to_right"]),
        (words["permutation"], read_by["permutation"], permutation["left_to_right"]),
        (words["drawn"], read_by["permutation"], permutation["drawn_order"]),
        (words["kneser_ney"].format(best["order"]), best["tokens"], best),
        (words["xz"], best["tokens"], record["xz"]["after_training_text"]),
    ]
    return _table(words["bits"], [[name, f"{tokens:,}", f"{held['bits_per_byte']:.3f}"] for name, tokens, held in rows])


def _relations(record: dict[str, Any], words: dict[str, Any]) -> list[str]:
    asked, tasks = ("next_sentence", "sentence_order"), ("answerable", "better")
    intrinsic, downstream = record["intrinsic"], record["downstream"]
    held: dict[str, list[dict[str, Any] | None]] = {
        f"`{name}`": [
            *(base["relations"][about][how] for how in ("as_trained", "probe") for about in asked),
            *(downstream[task]["bases"][name] for task in tasks),
        ]
        for name, base in intrinsic["bases"].items()
    }
    held[words["words"]] = [
        *(None for _ in asked),
        *(intrinsic["words"][about] for about in asked),
        *(downstream[task]["bag_of_words"] for task in tasks),
    ]
    rows = [[name, *("–" if one is None else rate(one["value"], one["interval"]) for one in row)] for name, row in held.items()]
    return _table(words["relations"], rows)


def _optimizers(record: dict[str, Any], words: dict[str, Any]) -> list[str]:
    rows = []
    for name, said in (("adamw", "AdamW"), ("muon", "Muon")):
        losses = [run[name]["metrics"]["held_out"]["loss"] for run in record["runs"]]
        spread = f"{statistics.fmean(losses):.3f} ({min(losses):.3f}–{max(losses):.3f})"
        rows.append([said, f"{record['chosen'][name]:g}", f"{record['updates'][name]:,}", spread])
    low, high = (_signed(value) for value in record["difference"]["interval"])
    gap = _signed(record["difference"]["mean"])
    said = words["equal"].format(seeds=len(record["runs"]), gap=gap, low=low, high=high)
    return [*_table(words["optimizers"], rows), "", said]


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def read(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def rate(value: float, interval: list[float]) -> str:
    return f"{percent(value)} ({100 * interval[0]:.2f}–{100 * interval[1]:.2f})"


def points(difference: float) -> str:
    return f"{100 * difference:+.2f}".replace("-", "−")


def figures(language: str) -> str:
    """The block for one README."""
    words = WORDS[language]
    quickstart, minilm = read("quickstart"), read("imdb-minilm")
    scratch, chinese = read_seeds("imdb-from-scratch"), read_seeds("chnsenticorp-from-scratch")
    rows = [
        [
            words["rotten"],
            words["minilm"],
            rate(quickstart["model"]["accuracy"]["value"], quickstart["model"]["accuracy"]["interval"]),
            percent(quickstart["baseline"]["accuracy"]["value"]),
            f"{points(quickstart['difference']['value'])} ({'–'.join(map(points, quickstart['difference']['interval']))})",
            words["minutes"].format(f"{quickstart['training']['seconds'] / 60:.1f}"),
        ],
        _evaluated(minilm, words["imdb"], words["minilm"], words),
        _evaluated(scratch[0], words["imdb"], words["scratch"], words),
        _evaluated(chinese[0], words["chinese"], words["scratch_bpe"], words),
    ]
    for row, records in ((rows[-2], scratch), (rows[-1], chinese)):
        if len(records) > 1:
            accuracies = [record["score"]["accuracy"] for record in records]
            spread = f"{percent(statistics.mean(accuracies))} ± {100 * statistics.stdev(accuracies):.2f}"
            row[2] += "; " + words["seeds"].format(_seeds(records), spread)
    machine = minilm["measured_on"]
    return "\n".join(
        [
            words["head"],
            "|---" * len(rows[0]) + "|",
            *("| " + " | ".join(row) + " |" for row in rows),
            "",
            words["loses"].format(
                gap=f"{-100 * statistics.mean(record['baseline']['paired']['difference'] for record in scratch):.2f}",
                seeds=_seeds(scratch),
                minilm_gap=f"{100 * minilm['baseline']['paired']['difference']:.2f}",
            ),
            "",
            _without_seen(chinese, words),
            "",
            _in_context(words),
            "",
            words["seen"].format(
                n=minilm["seen"], total=f"{minilm['score']['n']:,}", accuracy=percent(minilm["without_seen"]["accuracy"])
            )
            + " "
            + words["machine"].format(version=minilm["made_by"]["version"], **machine),
            "",
        ]
    )


def read_seeds(name: str) -> list[dict[str, Any]]:
    """The record of that name, and those of further seeds beside it."""
    return sorted((read(path.stem) for path in RESULTS.glob(f"{name}*.json")), key=lambda record: record["made_by"]["seed"])


def _seeds(records: list[dict[str, Any]]) -> str:
    return ", ".join(str(record["made_by"]["seed"]) for record in records)


def _without_seen(records: list[dict[str, Any]], words: dict[str, Any]) -> str:
    """What is left of the difference on texts that training has not seen."""
    besides = [record["baseline"] for record in records]
    intervals = [beside["paired_without_seen"]["interval"] for beside in besides]
    above, below = sum(low > 0 for low, _ in intervals), sum(high < 0 for _, high in intervals)
    return str(words["chinese_seen"]).format(
        n=records[0]["seen"],
        total=f"{records[0]['score']['n']:,}",
        seeds=_seeds(records),
        model=percent(statistics.mean(record["without_seen"]["accuracy"] for record in records)),
        bag=percent(statistics.mean(beside["without_seen"]["accuracy"] for beside in besides)),
        differences=", ".join(points(beside["paired_without_seen"]["difference"]) for beside in besides),
        all=len(records),
        threads=records[0]["made_by"]["machine"]["threads"],
        above=above,
        below=below,
        around=len(records) - above - below,
    )


def _in_context(words: dict[str, Any]) -> str:
    """What a language model does with a task in its prompt, in each wording that was tried."""
    records = [read("in-context-rotten-tomatoes"), read("in-context-rotten-tomatoes-sentiment")]

    def both(share: Callable[[dict[str, Any]], float]) -> str:
        return " / ".join(percent(share(record)) for record in records)

    return str(words["in_context"]).format(
        n=records[0]["n"],
        shots=records[0]["shots"],
        orderings=len(records[0]["demonstrated"]["orderings"]),
        zero=both(lambda record: record["zero"]["score"]["accuracy"]),
        shot=both(lambda record: record["demonstrated"]["accuracy"]["value"]),
        shuffled=both(lambda record: record["demonstrated"]["shuffled"]["value"]),
        majority=percent(records[0]["majority"]["accuracy"]),
    )


def _evaluated(record: dict[str, Any], data: str, model: str, words: dict[str, Any]) -> list[str]:
    paired = record["baseline"]["paired"]
    return [
        data,
        model,
        rate(record["score"]["accuracy"], record["score"]["interval"]),
        percent(record["baseline"]["score"]["accuracy"]),
        f"{points(paired['difference'])} ({'–'.join(map(points, paired['interval']))})",
        words["minutes"].format(f"{record['made_by']['seconds'] / 60:.0f}"),
    ]


def main(arguments: list[str]) -> int:
    different = []
    for language, path in READMES.items():
        text = path.read_text(encoding="utf-8")
        new = text
        for name, block in (
            ("figures", figures(language)),
            ("pretraining", pretraining(language)),
            ("speed", speed(language)),
            ("speed-avx512", speed(language, RESULTS / "avx512")),
            ("speed-avx2", speed(language, RESULTS / "avx2")),
            ("audits", audits(language)),
        ):
            place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
            new = place.sub(lambda found, block=block: found[1] + block + found[2], new)  # type: ignore[misc]
        if new != text:
            different.append(path)
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    if "--check" in arguments and different:
        print(f"not as in {RESULTS}: {', '.join(map(str, different))}; run python benchmarks/figures.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
