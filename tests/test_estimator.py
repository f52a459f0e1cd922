"""TextClassifier against scikit-learn's own checks, and what those cannot ask of an estimator that reads text."""

from __future__ import annotations

import copy
import io
import json
import pickle
import signal
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

import joblib
import numpy as np
import pyarrow
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted, validate_data

import fathom
from fathom import TextClassifier
from fathom.errors import DataError, FathomError, SettingsError
from fathom.estimator import LongTextWarning
from fathom.objectives import Classification
from tests.tiny import examples, model_folder

TEXTS = [example.text for example in examples()]
LABELS = [str(example.label) for example in examples()]  # "good" and "bad", 40 each

SMALL = {
    "vocabulary": {"kind": "words", "size": 200, "min_frequency": 1},
    "architecture": {"width": 16, "depth": 1, "heads": 2, "feed_forward_width": 16, "positions": "none"},
}


def small(**changes: Any) -> TextClassifier:
    """A classifier that learns to tell good from bad in a quarter of a second."""
    parameters: dict[str, Any] = {"model": "scratch", "epochs": 6, "learning_rate": 1e-2, "batch_tokens": 128}
    return TextClassifier(**{**parameters, "max_length": 32, "device": "cpu", "settings": SMALL, **changes})


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """A model this small only waits for a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def fitted() -> TextClassifier:
    """Of all tests that do not change it."""
    return small().fit(TEXTS, LABELS)


# --- scikit-learn's own checks ---------------------------------------------------------------------------------------
#
# They feed tables of numbers. SpelledNumbers writes each row down as words, so that a check of how an estimator behaves
# (what fit sets, what predict answers, how classes and errors look) runs through the whole of TextClassifier.


class SpelledNumbers(TextClassifier):
    """Reads rows of numbers as text: of each number a rough word to learn from, and a precise one."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        return super().fit(self._spell(X, reset=True), y)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        return super().predict(self._spell(X, reset=False))

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        return super().predict_proba(self._spell(X, reset=False))

    def _spell(self, X: Any, *, reset: bool) -> list[str]:  # noqa: N803
        if not reset:
            check_is_fitted(self)
        rows = validate_data(self, X, reset=reset).tolist()
        letters = "abcdefghij"
        rough = [[f"{letters[column]}{round(2 * number)}" for column, number in enumerate(row)] for row in rows]
        return [" ".join([*words, *map(str, row)]).replace("-", "m") for words, row in zip(rough, rows, strict=True)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.one_d_array, tags.input_tags.string = True, False, False
        return tags


NUMBERS = "about tables of numbers; a text is a string, and what is no string is refused below"
FEATURES = "about the number of columns; a text has none, so there is no n_features_in_"
ROUNDING = "float32 in batches: equal to 1e-6, tested below; the check allows 1e-7 and less"
NOT_FOR_TEXT = {
    "check_array_api_input": NUMBERS,
    "check_complex_data": NUMBERS,
    "check_dtype_object": NUMBERS,
    "check_estimator_sparse_array": NUMBERS,
    "check_estimator_sparse_matrix": NUMBERS,
    "check_estimator_sparse_tag": NUMBERS,
    "check_estimators_dtypes": NUMBERS,
    "check_estimators_empty_data_messages": "about arrays without rows or columns; empty input is refused below",
    "check_estimators_nan_inf": NUMBERS,
    "check_f_contiguous_array_estimator": NUMBERS,
    "check_fit1d": "one dimension is right for texts",
    "check_fit2d_1feature": FEATURES,
    "check_fit2d_predict1d": "one dimension is right for texts",
    "check_methods_sample_order_invariance": ROUNDING,
    "check_methods_subset_invariance": ROUNDING,
    "check_n_features_in": FEATURES,
    "check_n_features_in_after_fitting": FEATURES,
    "check_positive_only_tag_during_fit": NUMBERS,
    "check_readonly_memmap_input": NUMBERS,
    "check_classifier_data_not_an_array": "needs pandas; objects that become arrays are read below",
    "check_estimators_pickle": "pickling is refused by design, see below",
}
# these never give texts to the estimator, so they run on TextClassifier itself
WITHOUT_DATA = [
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_estimators_unfitted,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]


def spelled() -> SpelledNumbers:
    settings = {**SMALL, "vocabulary": {"kind": "words", "size": 500, "min_frequency": 2}}
    return SpelledNumbers("scratch", epochs=4, learning_rate=2e-2, max_length=64, device="cpu", settings=settings)


def all_checks() -> Iterator[tuple[str, Callable[[Any], None]]]:
    for _, check in estimator_checks.estimator_checks_generator(spelled()):
        inner = check
        while isinstance(inner, partial):
            inner = inner.func
        yield inner.__name__, check


@pytest.mark.parametrize("check", [pytest.param(check, id=name) for name, check in all_checks() if name not in NOT_FOR_TEXT])
def test_scikit_learns_check_passes_on_numbers_spelled_as_text(check: Callable[[Any], None]) -> None:
    check(spelled())


@pytest.mark.parametrize("check", WITHOUT_DATA, ids=lambda check: check.__name__)
def test_scikit_learns_check_passes_on_the_estimator_itself(check: Callable[[str, Any], None]) -> None:
    check("TextClassifier", TextClassifier())


def test_every_excluded_check_is_one_of_scikit_learns() -> None:
    assert set(NOT_FOR_TEXT) < {name for name, _ in all_checks()}


def test_scikit_learn_is_told_that_a_classifier_reads_strings() -> None:
    tags = TextClassifier().__sklearn_tags__()
    assert is_classifier(TextClassifier())
    assert tags.input_tags.string
    assert tags.input_tags.one_d_array
    assert not tags.input_tags.two_d_array
    assert not tags.input_tags.sparse
    assert tags.target_tags.required
    assert tags.classifier_tags.multi_class
    assert not tags.classifier_tags.multi_label


# --- parameters ------------------------------------------------------------------------------------------------------


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "model": st.text(),
            "epochs": st.integers(),
            "learning_rate": st.floats(allow_nan=False),
            "long_text": st.sampled_from(["head", "head+tail", "windows"]),
            "random_state": st.none() | st.integers(),
            "device": st.none() | st.text(),
            "settings": st.none() | st.dictionaries(st.text(), st.integers()),
        },
    )
)
def test_parameters_survive_get_set_and_clone(parameters: dict[str, Any]) -> None:
    made = TextClassifier(**parameters)
    assert made.get_params() == {**TextClassifier().get_params(), **parameters}
    assert clone(made).get_params() == made.get_params()
    assert TextClassifier().set_params(**parameters).get_params() == made.get_params()


def test_fit_changes_no_parameter_and_returns_the_estimator() -> None:
    classifier = small()
    before, deep = classifier.get_params(), copy.deepcopy(classifier.get_params())
    assert classifier.fit(TEXTS, LABELS) is classifier
    after = classifier.get_params()
    assert all(after[name] is before[name] for name in before)
    assert after == deep
    public = {name for name in vars(classifier) if not name.startswith("_") and not name.endswith("_")}
    assert public == set(before)


def test_clone_of_a_fitted_classifier_is_not_fitted(fitted: TextClassifier) -> None:
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(TEXTS)
    check_is_fitted(fitted)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "save"])
def test_before_fit_every_answer_is_a_not_fitted_error(method: str, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="fit"):
        getattr(small(), method)(tmp_path / "m" if method == "save" else TEXTS)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"long_text": "tail"}, "long_text"),
        ({"dev_fraction": 0.5}, "dev_fraction"),
        ({"random_state": "dice"}, "seed"),
        ({"settings": {"training": {"epoch": 3}}}, "epoch"),
        ({"settings": "wsd"}, "expected: a dict"),
        ({"device": "abacus"}, "abacus"),
    ],
)
def test_a_parameter_out_of_range_is_named_by_fit(parameters: dict[str, Any], reason: str) -> None:
    classifier = small(**parameters)
    with pytest.raises(SettingsError, match=reason) as caught:
        classifier.fit(TEXTS, LABELS)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"training": {"epochs": 5}}, "the parameter epochs"),
        ({"training": {"seed": 5}}, "the parameter random_state"),
        ({"max_length": 5}, "the parameter max_length"),
        ({"data": "reviews.csv"}, "fit's X and y"),
    ],
)
def test_settings_cannot_overrule_a_parameter_in_silence(settings: dict[str, Any], place: str) -> None:
    with pytest.raises(SettingsError, match=place):
        small(settings={**SMALL, **settings}).fit(TEXTS, LABELS)


def test_settings_reach_the_training() -> None:
    classifier = small(settings={**SMALL, "training": {"schedule": "wsd", "weight_decay": 0.25}}).fit(TEXTS, LABELS)
    used = classifier.made_by_.settings["training"]
    assert (used["schedule"], used["weight_decay"], used["epochs"]) == ("wsd", 0.25, 6)


def test_parameters_may_be_numpys_and_the_model_a_path(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "base")
    classifier = small(
        model=folder,
        settings=None,
        epochs=np.int64(1),
        learning_rate=np.float32(0.5),
        max_length=np.int32(16),
        long_text=np.str_("head"),
        random_state=np.int64(3),
    ).fit(TEXTS, LABELS)
    used = classifier.made_by_.settings
    assert (used["training"]["epochs"], used["training"]["seed"], used["max_length"]) == (1, 3, 16)
    assert used["training"]["learning_rate"] == 0.5
    assert classifier.predictor_.model.config.width == 16  # the folder's


# --- randomness ------------------------------------------------------------------------------------------------------


def test_the_same_random_state_gives_the_same_probabilities(fitted: TextClassifier) -> None:
    again, other = clone(fitted).fit(TEXTS, LABELS), clone(fitted).set_params(random_state=1).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert not np.array_equal(other.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_random_state_may_be_a_generator_or_none() -> None:
    def probabilities(random_state: Any) -> np.ndarray:
        answers: np.ndarray = small(epochs=1, random_state=random_state).fit(TEXTS, LABELS).predict_proba(TEXTS[:4])
        return answers

    generator = np.random.RandomState(5)
    first, second = probabilities(generator), probabilities(generator)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, probabilities(np.random.RandomState(5)))
    assert not np.array_equal(first, probabilities(None))


def test_fit_leaves_the_callers_random_generators_alone() -> None:
    torch.manual_seed(17)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    small().fit(TEXTS, LABELS)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_before)


def test_a_second_fit_forgets_the_first(fitted: TextClassifier) -> None:
    classifier = small().fit([f"text {number}" for number in range(12)], [10, 20, 30] * 4)
    assert classifier.classes_.tolist() == [10, 20, 30]
    classifier.fit(TEXTS, LABELS)
    assert classifier.classes_.tolist() == ["bad", "good"]
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


def test_a_fit_that_fails_leaves_the_one_before_whole(fitted: TextClassifier) -> None:
    classifier = clone(fitted).fit(TEXTS, LABELS)
    classifier.set_params(device="abacus")
    with pytest.raises(SettingsError):
        classifier.fit(TEXTS[:40], [1, 2, 3, 4] * 10)
    assert classifier.classes_.tolist() == ["bad", "good"]
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


# --- texts -----------------------------------------------------------------------------------------------------------


class Column:
    """As pandas' Series is to scikit-learn: not a list, becomes an array."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype or object)


CONTAINERS = [
    tuple,
    iter,
    np.array,
    lambda texts: np.array(texts, dtype=object),
    lambda texts: np.array(texts, dtype=np.dtypes.StringDType()),
    lambda texts: np.array(texts)[:, None],
    Column,
    pyarrow.array,
    lambda texts: pyarrow.chunked_array([texts[:7], texts[7:]]),
    lambda texts: pyarrow.table({"text": texts}),
]


@pytest.mark.parametrize("container", CONTAINERS)
def test_texts_come_in_any_column(fitted: TextClassifier, container: Callable[[list[str]], Any]) -> None:
    np.testing.assert_array_equal(fitted.predict_proba(container(TEXTS)), fitted.predict_proba(TEXTS))


@pytest.mark.parametrize("container", [lambda texts: np.array(texts, dtype=object)[:, None], pyarrow.array, Column])
def test_fit_reads_texts_and_labels_from_any_column(fitted: TextClassifier, container: Callable[[list[str]], Any]) -> None:
    labels = np.array(LABELS) if container is not Column else Column(LABELS)
    classifier = clone(fitted).fit(container(TEXTS), labels)
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), fitted.predict_proba(TEXTS))
    assert classifier.score(container(TEXTS), LABELS) == fitted.score(TEXTS, LABELS)


NO_TEXTS = [
    ("a joy", r"pass \[text\]"),
    ([], "no texts"),
    (np.zeros((0, 1), dtype=object), "no texts"),
    (None, "NoneType"),
    (7, "int"),
    ({"text": TEXTS}, "dict"),
    (set(TEXTS), "set"),
    (["a", 1.5], "text 1 .* 1.5, a float"),
    (["a", None], "text 1 .* None"),
    (["a", b"b"], "text 1 .* bytes"),
    (np.zeros((4, 1)), "text 0 .* 0.0, a float"),
    (np.zeros((4, 3)), r"shape \(4, 3\)"),
    (np.array([["a", "b"], ["c", "d"]]), r"shape \(2, 2\)"),
    (np.array("a"), r"shape \(\)"),
    (sparse.csr_array(np.eye(4)), "sparse"),
]


@pytest.mark.parametrize(("texts", "reason"), NO_TEXTS)
def test_what_is_no_column_of_texts_is_refused_as_a_value_error(fitted: TextClassifier, texts: Any, reason: str) -> None:
    labels = ["good", "bad", "good", "bad"]
    for call in (partial(small().fit, y=labels), fitted.predict, fitted.predict_proba, partial(fitted.score, y=labels)):
        with pytest.raises(ValueError, match=reason) as caught:
            call(texts)
        assert isinstance(caught.value, DataError)


def test_there_are_no_features_to_count(fitted: TextClassifier) -> None:
    for name in ("n_features_in_", "feature_names_in_"):
        assert not hasattr(fitted, name)
        assert not hasattr(make_pipeline(fitted), name)


def test_texts_of_one_group_stay_together() -> None:
    groups = np.repeat(["film a", "film b", "film c", "film d"], 20)
    facts = small(epochs=1, dev_fraction=0.2).fit(TEXTS, LABELS, groups=groups).made_by_.metrics["facts"]
    assert (facts["train_rows"], facts["dev_rows"]) == (60, 20)  # texts alone would be split 64 to 16
    with pytest.raises(DataError, match="80 texts came with 3 groups"):
        small().fit(TEXTS, LABELS, groups=groups[:3])


def test_groups_can_be_routed_to_fit() -> None:
    with config_context(enable_metadata_routing=True):
        requests = TextClassifier().set_fit_request(groups=True).get_metadata_routing().fit.requests
    assert requests == {"groups": True}


# --- labels ----------------------------------------------------------------------------------------------------------

GOOD = np.array(LABELS) == "good"
LABEL_TYPES = {
    "strings": np.where(GOOD, "schön", "schlecht"),
    "objects": np.where(GOOD, "good", "bad").astype(object),
    "signs": np.where(GOOD, 1, -1),
    "numbers whose order is not that of their digits": np.where(GOOD, 2, 10),
    "bytes": np.where(GOOD, 3, 200).astype(np.uint8),
    "truth values": GOOD,
    "whole floats": np.where(GOOD, 1.0, 0.0),
}


@pytest.mark.parametrize("labels", LABEL_TYPES.values(), ids=LABEL_TYPES)
def test_answers_have_the_type_of_the_labels(labels: np.ndarray) -> None:
    classifier = small().fit(TEXTS, labels)
    answers = classifier.predict(TEXTS)
    np.testing.assert_array_equal(classifier.classes_, np.unique(labels))
    assert classifier.classes_.dtype == answers.dtype == labels.dtype
    assert classifier.score(TEXTS, labels) > 0.9
    best = classifier.predict_proba(TEXTS).argmax(axis=1)
    np.testing.assert_array_equal(classifier.classes_[best], answers)
    assert classifier.predictor_.labels == [str(label) for label in np.unique(labels)]


def test_columns_follow_the_classes_when_there_are_many() -> None:
    texts = [f"{word} {number}" for number in range(15) for word in ("zebra", "yak", "cat", "bird")]
    labels = ["z", "y", "c", "b"] * 15
    classifier = small().fit(texts, labels)
    found = classifier.predict_proba(["bird", "cat", "yak", "zebra"])
    assert found.shape == (4, 4)
    assert found.argmax(axis=1).tolist() == [0, 1, 2, 3]
    assert classifier.classes_.tolist() == ["b", "c", "y", "z"]


def test_labels_in_one_column_of_a_table_are_taken_with_a_warning(fitted: TextClassifier) -> None:
    with pytest.warns(DataConversionWarning):
        classifier = clone(fitted).fit(TEXTS, np.array(LABELS)[:, None])
    assert classifier.predict(TEXTS).shape == (80,)


NO_LABELS = [
    (None, "requires y"),
    (["good"] * 4, "one class only, 'good'"),
    ([1] * 4, "one class only, 1"),
    (["good", "bad"], "4 texts came with 2 labels"),
    (["good", "bad", "good", None], "label 3 .* None"),
    (["good", "bad", "good", float("nan")], "label 3 .* nan"),
    ([1, 0, 1, None], "label 3 .* None"),
    ([1.0, 0.0, np.nan, 1.0], "label 2 .* nan"),
    ([1.0, 0.0, np.inf, 1.0], "label 2 .* inf"),
    (np.array([1, 0, np.nan, 1], dtype=np.float32), "label 2 .* nan"),
    (np.array(["good", "bad", None, "bad"], dtype=object), "label 2 .* None"),
    (["good", "bad", "good", 1], "label 3 .* 1, a int; others are strings"),
    ([0.1, 0.2, 0.3, 0.4], "continuous"),
    ([[1, 0], [0, 1], [1, 0], [0, 1]], "1d array"),
    (np.array([1, 0, 1, 0], dtype=object), "unknown"),
    ("good", "1d array"),
]


@pytest.mark.parametrize(("labels", "reason"), NO_LABELS)
def test_labels_that_cannot_be_learned_are_refused_as_a_value_error(labels: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        small().fit(TEXTS[:4], labels)


def test_too_few_texts_for_a_dev_part_are_refused() -> None:
    with pytest.raises(ValueError, match="leave nothing for the dev part"):
        small().fit(["a", "b"], [0, 1])


def test_fit_takes_no_sample_weight_but_score_does(fitted: TextClassifier) -> None:
    with pytest.raises(TypeError, match="sample_weight"):
        small().fit(TEXTS, LABELS, sample_weight=np.ones(80))
    wrong = np.where(GOOD, "bad", "good")
    mixed = np.where(np.arange(80) < 40, LABELS, wrong)
    assert fitted.score(TEXTS, mixed, sample_weight=np.arange(80) < 40) == fitted.score(TEXTS[:40], LABELS[:40])


# --- answers ---------------------------------------------------------------------------------------------------------


def test_it_learns(fitted: TextClassifier) -> None:
    assert fitted.score(TEXTS, LABELS) > 0.9
    assert fitted.predict(["a wonderful film", "a waste of time"]).tolist() == ["good", "bad"]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_probabilities_sum_to_1_and_belong_to_their_text(fitted: TextClassifier, texts: list[str], random: Any) -> None:
    found = fitted.predict_proba(texts)
    assert found.shape == (len(texts), 2)
    assert found.dtype == np.float64
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    order = random.sample(range(len(texts)), len(texts))
    np.testing.assert_allclose(fitted.predict_proba([texts[place] for place in order]), found[order], atol=1e-6)


def test_it_answers_as_its_predictor_does(fitted: TextClassifier) -> None:
    np.testing.assert_array_equal(fitted.predict_proba(TEXTS), fitted.predictor_.predict_proba(TEXTS))
    assert fitted.predict(TEXTS).tolist() == [answer.label for answer in fitted.predictor_.predict(TEXTS)]


# --- long texts ------------------------------------------------------------------------------------------------------

START, MIDDLE, END = "a joy from start to finish", "dull and endless", "great acting and a good story"
LONG = " ".join([START, *[MIDDLE] * 8, END])
OTHER_MIDDLE = " ".join([START, *[MIDDLE] * 3, "warm and funny", *[MIDDLE] * 4, END])
OTHER_END = " ".join([START, *[MIDDLE] * 8, "bad acting and a poor story"])


@pytest.mark.parametrize(
    ("policy", "reads_middle", "reads_end"), [("head", False, False), ("head+tail", False, True), ("windows", True, True)]
)
def test_of_a_long_text_that_is_read_which_the_policy_says(policy: str, reads_middle: bool, reads_end: bool) -> None:
    settings = {**SMALL, "stride": 2}
    classifier = small(epochs=1, max_length=12, long_text=policy, settings=settings).fit(TEXTS, LABELS)  # without a warning
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        long, other_middle, other_end = classifier.predict_proba([LONG, OTHER_MIDDLE, OTHER_END])
    assert np.array_equal(long, other_middle) != reads_middle
    assert np.array_equal(long, other_end) != reads_end
    assert [warning.category for warning in caught] == ([] if policy == "windows" else [LongTextWarning])


def test_a_text_cut_short_is_said_where_it_was_asked(fitted: TextClassifier) -> None:
    texts = [*TEXTS[:3], LONG]
    for ask in (fitted.predict, fitted.predict_proba):
        with pytest.warns(
            LongTextWarning, match=r"25\.0% of the texts are longer than the 32 tokens .* only the head"
        ) as caught:
            ask(texts)
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted.predict(TEXTS)


def test_fit_says_how_many_texts_it_cut() -> None:
    with pytest.warns(
        LongTextWarning, match=r"texts to train on are longer than the 6 tokens .* only the head\+tail"
    ) as caught:
        small(epochs=1, max_length=6, long_text="head+tail").fit(TEXTS, LABELS)
    assert caught[0].filename == __file__


def test_a_length_that_the_model_cannot_read_is_lowered_and_the_warning_says_to_what(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "base")  # reads 32 tokens
    classifier = small(model=str(folder), settings=None, epochs=1, max_length=512).fit(TEXTS, LABELS)
    with pytest.warns(LongTextWarning, match="the 32 tokens"):
        classifier.predict([LONG])


# --- in scikit-learn's tools -----------------------------------------------------------------------------------------


def shout_less(texts: list[str]) -> list[str]:
    return [text.lower().replace("!", "") for text in texts]


def test_it_ends_a_pipeline(fitted: TextClassifier) -> None:
    loud = [f"{text.upper()}!!!" for text in TEXTS]
    pipeline = Pipeline([("clean", FunctionTransformer(shout_less)), ("classify", small())]).fit(loud, LABELS)
    np.testing.assert_array_equal(pipeline.predict_proba(loud), fitted.predict_proba(TEXTS))
    assert pipeline.classes_.tolist() == ["bad", "good"]
    assert pipeline.score(loud, LABELS) > 0.9


def test_a_grid_search_chooses_its_parameters() -> None:
    pipeline = Pipeline([("clean", FunctionTransformer(shout_less)), ("classify", small())])
    grid = {"classify__learning_rate": np.array([1e-9, 3e-2]), "classify__max_length": np.array([16])}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="accuracy", error_score="raise").fit(TEXTS, LABELS)
    assert search.best_params_["classify__learning_rate"] == 3e-2
    assert search.best_score_ > 0.9
    assert search.predict(["a wonderful film"]).tolist() == ["good"]
    assert search.score(TEXTS, LABELS) > 0.9


def test_cross_validation_scores_it_by_answers_and_by_probabilities() -> None:
    assert cross_val_score(small(), np.array(TEXTS), LABELS, cv=2, error_score="raise").min() > 0.9
    scores = cross_validate(small(), TEXTS, LABELS, cv=2, scoring=["neg_log_loss", "roc_auc"], error_score="raise")
    assert scores["test_roc_auc"].min() > 0.9
    assert scores["test_neg_log_loss"].min() > np.log(0.5)  # better than not knowing
    probabilities = cross_val_predict(small(), TEXTS, LABELS, cv=2, method="predict_proba")
    assert probabilities.shape == (80, 2)


def test_it_votes_with_a_bag_of_words() -> None:
    words = make_pipeline(TfidfVectorizer(), LogisticRegression())
    voting = VotingClassifier([("words", words), ("model", small())], voting="soft").fit(TEXTS, LABELS)
    assert voting.score(TEXTS, LABELS) > 0.9
    alone = [voting.named_estimators_[name].predict_proba(TEXTS) for name in ("words", "model")]
    np.testing.assert_allclose(voting.predict_proba(TEXTS), np.mean(alone, axis=0))


def test_it_shows_itself(fitted: TextClassifier) -> None:
    assert repr(TextClassifier(epochs=7)) == "TextClassifier(epochs=7)"
    assert "TextClassifier" in repr(make_pipeline(fitted))
    for shown in (TextClassifier(epochs=7)._repr_html_(), fitted._repr_html_(), make_pipeline(fitted)._repr_html_()):
        assert "TextClassifier" in shown
    assert "Fitted" in fitted._repr_html_()


def interrupt(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The signal arrives while the first loss is computed."""
    losses = Classification.losses

    def interrupted(*args: Any, **named: Any) -> torch.Tensor:
        signal.raise_signal(number)
        return losses(*args, **named)

    monkeypatch.setattr(Classification, "losses", interrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_fit_and_leaves_nothing_half_fitted(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    interrupt(monkeypatch, number)
    classifier = small()
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(TEXTS, LABELS)
    with pytest.raises(NotFittedError):
        classifier.predict(TEXTS)


def test_ctrl_c_stops_a_whole_grid_search(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(small(), {"epochs": [1, 2]}, cv=2).fit(TEXTS, LABELS)


# --- keeping a fitted classifier -------------------------------------------------------------------------------------


def test_pickling_a_fitted_classifier_is_refused_and_save_is_named(fitted: TextClassifier) -> None:
    for thing in (fitted, make_pipeline(fitted), {"model": fitted}):
        with pytest.raises(FathomError, match=r"save\(folder\)"):
            pickle.dumps(thing)
        with pytest.raises(FathomError, match=r"save\(folder\)"):
            joblib.dump(thing, io.BytesIO())
    with pytest.raises(FathomError, match=r"clone\(\)"):
        copy.deepcopy(fitted)


def test_a_classifier_that_is_not_fitted_may_travel_to_other_processes() -> None:
    there = pickle.loads(pickle.dumps(small()))
    assert there.get_params() == small().get_params()


def test_a_saved_classifier_answers_the_same_when_loaded(fitted: TextClassifier, tmp_path: Path) -> None:
    folder = fitted.save(tmp_path / "kept")
    assert folder == tmp_path / "kept"
    loaded = fathom.load(folder, device="cpu")
    np.testing.assert_allclose(loaded.predict_proba(TEXTS), fitted.predict_proba(TEXTS), atol=1e-7)
    assert [answer.label for answer in loaded.predict(TEXTS)] == fitted.predict(TEXTS).tolist()
    assert loaded.about == fitted.predictor_.about
    assert {"metrics.jsonl", "seen_texts.safetensors", "made_by.json", "README.md"} <= {path.name for path in folder.iterdir()}
    with pytest.raises(FathomError, match="overwrite"):
        fitted.save(folder)
    assert fitted.save(str(folder), overwrite=True) == folder


def test_a_saved_folder_names_the_labels_in_the_order_of_the_classes(tmp_path: Path) -> None:
    classifier = small(epochs=1).fit(TEXTS, np.where(GOOD, 2, 10))
    folder = classifier.save(tmp_path / "numbers")
    assert json.loads((folder / "config.json").read_text("utf-8"))["id2label"] == {"0": "2", "1": "10"}
    assert json.loads((folder / "fathom.json").read_text("utf-8"))["labels"] == ["2", "10"]
    assert "2 labels: 2, 10." in (folder / "README.md").read_text("utf-8")


def test_a_saved_bert_answers_the_same_in_hugging_faces_library(tmp_path: Path) -> None:
    base = model_folder(tmp_path / "base")
    classifier = small(model=base, settings=None, epochs=1, learning_rate=1e-3).fit(TEXTS, LABELS)
    folder = classifier.save(tmp_path / "tuned")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        logits = model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.double()
    probabilities = torch.softmax(logits / classifier.predictor_.about.temperature, dim=1).numpy()
    np.testing.assert_allclose(probabilities, classifier.predict_proba(TEXTS), atol=1e-5)
    assert list(model.config.id2label.values()) == classifier.classes_.tolist()
