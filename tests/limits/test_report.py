"""The report says what the figures say, whatever they are, and holds nothing that could be run or fetched."""

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fathom.limits.comparison import Comparison, Data, Making, Training, compare
from fathom.limits.report import render_report, verdict

HOSTILE = '</blockquote><script>alert(1)</script><img src=x onerror="alert(2)"> & {{ 7*7 }} \u202e'


def comparison(
    model_right: float = 0.85,
    baseline_right: float = 0.75,
    *,
    n: int = 600,
    classes: int = 2,
    seed: int = 0,
    text: str = "a text",
) -> Comparison:
    """Random answers of two classifiers with about these accuracies."""
    random = np.random.default_rng(seed)
    truth = np.arange(n) % classes

    def answers(accuracy: float) -> np.ndarray:
        right = random.random(n) < accuracy
        chosen = np.where(right, truth, (truth + 1) % classes)
        probabilities = np.full((n, classes), 0.1 / classes)
        probabilities[np.arange(n), chosen] += 0.5 + 0.4 * random.random(n)
        return probabilities / probabilities.sum(axis=1, keepdims=True)

    return compare(
        title="Can it?",
        texts_are="texts",
        labels=[f"label {number}" for number in range(classes)],
        texts=[text] * n,
        truth=truth,
        model=("the model", "a model", answers(model_right)),
        baseline=("bag of words", "words", answers(baseline_right)),
        lengths=random.integers(1, 60, n),
        length_unit="tokens",
        groups=None,
        shared=[0, 1],
        data=Data(name="d", what="texts", rows={"train": 5, "dev": 5, "test": n}, hashes={"train": "0" * 64}),
        training=Training(seconds=3, tokens_per_second=10, steps=2, losses=[(1, 0.7), (2, 0.6)], evaluations=[(2, 0.8)]),
        making=Making(command="c", seed=0, version="0", commit=None, machine={}, seconds=3, settings={}),
        answers=[(text, "label 0", 0.9)],
        next_commands=[("fathom predict", "ask it")],
    )


class Tags(HTMLParser):
    """Collects tags and attributes, and whether every element is closed."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "path", "use"})

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def test_report_escapes_all_text_and_runs_nothing() -> None:
    page = render_report(comparison(text=HOSTILE))
    tags = parsed(page)
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    assert not any(name.startswith("on") for _, attributes in tags.seen for name in attributes)
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page, "texts are data, never templates"
    policy = next(attributes for tag, attributes in tags.seen if tag == "meta" and "http-equiv" in attributes)
    assert policy["content"].startswith("default-src 'none'")
    links = [value for _, attributes in tags.seen for name, value in attributes.items() if name in ("href", "src")]
    assert all(value.startswith("#") for value in links)


def test_report_is_the_same_every_time() -> None:
    assert render_report(comparison()) == render_report(comparison())


def test_report_record_goes_there_and_back() -> None:
    found = comparison()
    assert Comparison.model_validate_json(found.model_dump_json()) == found


@given(st.floats(0, 1), st.floats(0, 1), st.integers(4, 300), st.integers(2, 5))
def test_report_takes_any_figures(model_right: float, baseline_right: float, n: int, classes: int) -> None:
    page = render_report(comparison(model_right, baseline_right, n=max(n, classes), classes=classes))
    parsed(page)
    assert not re.search(r"\bnan\b|\binf\b|None", re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL))


@pytest.mark.parametrize(
    ("model", "baseline", "trust", "do"),
    [
        (0.95, 0.70, "more than a bag of words", "Let a person read"),
        (0.70, 0.70, "does as well as these texts can tell", "Use the bag of words"),
        (0.70, 0.95, "but a bag of words answers", "Use the bag of words"),
        (0.50, 0.50, "Nothing yet", "Check the labels"),
    ],
)
def test_verdict_follows_the_intervals(model: float, baseline: float, trust: str, do: str) -> None:
    said = verdict(comparison(model, baseline))
    assert trust in said.trust
    assert said.do.startswith(do)
    assert "any other kind of text" in said.distrust


def test_comparison_keeps_the_most_confident_mistakes_and_leaves_out_the_shared_texts() -> None:
    found = comparison()
    confidences = [mistake.confidence for mistake in found.mistakes]
    assert confidences == sorted(confidences, reverse=True)
    assert len(confidences) == 8
    assert all(mistake.answer != mistake.truth for mistake in found.mistakes)
    assert found.without_shared is not None
    assert found.without_shared.n == found.n - 2
    assert found.difference.value == pytest.approx(found.model.accuracy.value - found.baseline.accuracy.value)
    assert sum(map(sum, found.model.confusion)) == found.n
