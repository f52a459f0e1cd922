"""Texts in the shapes that Python programs hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

from fathom.errors import DataError


def as_texts(values: Iterable[Any]) -> list[str]:
    """A list of strings from a list, an array, a column of pandas, polars or pyarrow, or a table with one column.

    Raises:
        DataError: one string instead of many, nothing in an order, no texts, a value that is not text, or several columns.
    """
    if isinstance(values, str | bytes):
        raise DataError(f"one text was given, {values[:60]!r}", expected="a list of texts", do="pass [text]")
    if isinstance(values, Mapping | Set) or not (hasattr(values, "__array__") or isinstance(values, Iterable)):
        raise DataError(f"texts came as a {type(values).__name__}", expected="a list of texts, or one column of a table")
    if hasattr(values, "__array__"):  # to_numpy() of pyarrow refuses text
        values = np.asarray(values)
    if isinstance(values, np.ndarray):
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            raise DataError(f"texts came in an array of shape {values.shape}", expected="one column of texts")
        values = values.tolist()
    texts = list(values)
    if not texts:
        raise DataError("no texts were given", expected="at least one")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"text {number} (counted from 0) is {text!r}, a {type(text).__name__}", expected="a string")
    return texts
