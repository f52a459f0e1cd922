"""Gates that look at no label: they stop as few known texts as they say, and what is planted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from fathom.limits.likeness import AXES, fit_likeness, fit_writing

ENGLISH = (
    "the film is a quiet joy and nobody in it tries too hard to be loved",
    "we left before the end because nothing that happened on the screen seemed to matter",
    "her second book was slower and sadder and much better than the first one",
    "there are jokes in it that my father would have told at breakfast",
    "what a strange and beautiful way to spend an evening with friends",
    "the actors do what they can with a story that gives them very little",
    "it is long and loud and when it was over i could not say what it was about",
    "some of the songs are good and the rest of them you will forget by morning",
)
GERMAN = "die schauspieler sind großartig und die geschichte bleibt lange im gedächtnis"


def sentences(n: int, seed: int = 0) -> list[str]:
    """Halves of our sentences, put together anew."""
    generator, made = np.random.default_rng(seed), []
    for _ in range(n):
        words = [word for place in generator.integers(len(ENGLISH), size=2) for word in ENGLISH[place].split()]
        made.append(" ".join(words[: int(generator.integers(5, len(words)))]))
    return made


def test_distance_is_that_of_probabilistic_components() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(800, 40)) * np.linspace(3, 0.3, 40) + 5
    fitted = fit_likeness(rows, np.zeros(800, dtype=int))
    assert fitted is not None
    theirs = PCA(n_components=AXES).fit(rows[:400])
    off = rows[400:] - theirs.mean_
    expected = np.einsum("ni,ij,nj->n", off, theirs.get_precision(), off)
    np.testing.assert_allclose(fitted.distances(rows[400:]), expected, rtol=0.01)


def test_share_of_false_alarms_is_as_stated_and_far_texts_are_found() -> None:
    generator, rates = np.random.default_rng(1), []
    for _ in range(40):
        answers = generator.integers(2, size=1000)
        rows = generator.standard_t(4, size=(1000, 30)) + 6 * answers[:, None]
        fitted = fit_likeness(rows[:500], answers[:500])
        assert fitted is not None
        rates.append((fitted.distances(rows[500:]) > fitted.threshold).mean())
    assert np.mean(rates) == pytest.approx(0.01, abs=3 * np.std(rates) / 40**0.5 + 1e-3)
    between = generator.normal(size=(200, 30)) + 3  # as near to the mean of all as any known text, and near to neither class
    assert (fitted.distances(between) > fitted.threshold).mean() > 0.9


def test_too_few_texts_for_so_small_a_share_make_no_gate() -> None:
    rows = np.random.default_rng(2).normal(size=(150, 8))
    assert fit_likeness(rows, np.zeros(150, dtype=int)) is None
    assert fit_likeness(rows, np.zeros(150, dtype=int), false_alarms=0.1) is not None
    assert fit_writing(sentences(150)) is None
    assert fit_writing(["123 !!!"] * 400) is None


def test_letters_tell_another_language_and_not_another_sentence() -> None:
    fitted = fit_writing(sentences(1000))
    assert fitted is not None
    known = fitted.strangeness(sentences(1000, seed=1)) > fitted.threshold
    assert known.mean() < 0.03
    strange = fitted.strangeness(
        [GERMAN, "这部电影从头到尾都很无聊", "скучный фильм от начала до конца", "xqzj kvw qqx zzjk wqx"]
    )
    assert (strange > fitted.threshold).all()
    assert fitted.strangeness(["", "2024 ... 10/10 !!!", "\U0001f600"]).tolist() == [0, 0, 0]  # in no language
    assert fitted.strangeness([ENGLISH[0].upper()]) == pytest.approx(fitted.strangeness([ENGLISH[0]]))


def test_chinese_texts_are_known_by_their_script() -> None:
    signs = "这部电影的故事很好看演员也不错但是音乐太吵了我觉得没有意思"
    generator = np.random.default_rng(3)
    texts = [
        "".join(generator.choice(list(signs), size=20)) + "，" + "".join(generator.choice(list(signs), size=8))
        for _ in range(400)
    ]
    fitted = fit_writing(texts)
    assert fitted is not None
    strange = fitted.strangeness([texts[0], "酒店的服务员态度非常好下次还会来", ENGLISH[0], "とてもつまらない映画でした"])
    assert (strange > fitted.threshold).tolist() == [False, False, True, True]
