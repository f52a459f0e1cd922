"""limits.html shows every measure of every kind and status in both languages, and holds nothing to run or fetch."""

from __future__ import annotations

import re
import string
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fathom.data import Example
from fathom.limits import meanings, words
from fathom.limits.meanings import Language
from fathom.limits.measures import MEASURINGS
from fathom.limits.page import changes, render_limits
from fathom.limits.record import Limits, Status, Unit
from fathom.limits.verdict import State
from fathom.limits.words import in_language
from fathom.pipeline.limits import audit
from tests.limits.test_record import measure, record
from tests.limits.test_report import HOSTILE, parsed
from tests.limits.test_verdict import BOASTFUL, CONSTANT, CORE, HONEST, PERFECT, Rule, examples

LANGUAGES: tuple[Language, Language] = ("en", "zh")


def plain(page: str) -> str:
    """The text of a page, without tags and style."""
    page = re.sub(r"<style[^>]*>.*?</style>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page)).replace("\u00a0", " ")


def rates(count: int = 3, name: str = "row") -> dict[str, Any]:
    return {
        "kind": "rates",
        "of": "template",
        "rates": [
            {"name": f"{name} {place}", "value": 0.2 + 0.6 * place / count, "interval": (0.1, 0.9), "n": 10}
            for place in range(count)
        ],
    }


def curve(lines: int = 2, points: int = 4, name: str = "line", diagonal: bool = False) -> dict[str, Any]:
    return {
        "kind": "curve",
        "x": "strength $x_{$",
        "y": "accuracy",
        "diagonal": diagonal,
        "lines": [
            {
                "name": f"{name} {line}",
                "points": [
                    {
                        "x": place / points,
                        "y": 0.9 - 0.1 * place / points,
                        "interval": (0.5, 0.95) if line % 2 == 0 else None,
                        "n": 5,
                    }
                    for place in range(points)
                ],
            }
            for line in range(lines)
        ],
    }


def confusion(size: int) -> dict[str, Any]:
    return {
        "kind": "confusion",
        "labels": [f"label {place}" for place in range(size)],
        "counts": [[3 + place * other for other in range(size)] for place in range(size)],
    }


PAIRED = {
    "kind": "paired",
    "first": {"name": "before", "value": 0.8, "interval": (0.7, 0.9), "n": 50},
    "second": {"name": "after", "value": 0.6, "n": 50},
    "only_first": 12,
    "only_second": 0,
    "p_value": 0.0005,
}
POLICY = {
    "temperature": 1.1,
    "threshold": {
        **{"value": 0.8, "target": 0.95, "confidence": 0.95, "n": 500, "kept": 300, "right": 294, "lower_bound": 0.96},
        "guarantee": "x",
    },
    "conformal": {"alpha": 0.1, "quantile": 1.0, "n": 5, "guarantee": "x"},
    "gates": {"most_unread": 12},
}
DETAILS = [
    None,
    rates(),
    rates(40),
    rates(0),
    curve(),
    curve(7, 30),
    curve(0),
    curve(1, 1),
    curve(diagonal=True),
    confusion(2),
    confusion(30),
    PAIRED,
]


def limits(measures: list[dict[str, Any]], **changes: Any) -> Limits:
    return Limits.model_validate(record(measures=measures, **changes))


def example(text: str) -> dict[str, Any]:
    return {"text": text, "changed": f"{text} indeed", "truth": text, "answer": text, "confidence": 0.9, "note": text}


def every_kind(text: str = "a text") -> Limits:
    """Every status, detail and unit, of a family that nobody knows."""
    made = []
    for place, (detail, unit) in enumerate((d, u) for d in DETAILS for u in ("share", "points")):
        made.append(
            measure(
                name=f"of-unknown-{place}",
                family="never-heard-of",
                title=f"Title {text}",
                value=0.5,
                interval=(0.4, 0.6),
                n=100,
                floor={"value": 0.7, "what": f"floor {text}"},
                unit=unit,
                better=("higher", "lower", "neither")[place % 3],
                assumptions=[f"assumed {text}"],
                guarantee=f"promised {text}",
                detail=detail,
                worst=[example(text)] * (place % 7),
            )
        )
    for unit in get_args(Unit):
        made.append(
            measure(name=f"unit-{unit.lower()}", family="units", title=text, value=1234.5, unit=unit, interval=(-1e9, 1e9))
        )
        made.append(measure(name=f"bare-{unit.lower()}", family="units", title=text, value=0.0, unit=unit))
    for status in get_args(Status):
        value = 0.5 if status in ("measured", "contaminated") else None
        made.append(
            measure(
                name=status.replace(" ", "-"),
                family="status",
                title=f"{status} {text}",
                status=status,
                value=value,
                reason=text,
            )
        )
    data = record()["data"] | {"name": text}
    predictor = record()["predictor"] | {"name": text, "labels": [text, "b"], "asked_twice": 0.01, "fingerprint": "abc def"}
    making = record()["making"] | {"command": text, "quick": True, "commit": "c" * 40, "machine": {text: text}}
    return limits(
        made, data=data, predictor=predictor, making=making, policy=POLICY, complete=False, ended=text, sampled=[text, text]
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_shows_every_status_kind_and_unit_of_families_that_nobody_knows(language: Language) -> None:
    found = every_kind()
    page = render_limits(found, language)
    tags = parsed(page)
    ids = [attributes["id"] for _, attributes in tags.seen if "id" in attributes]
    assert len(set(ids)) == len(ids)
    linked = {attributes["href"][1:] for tag, attributes in tags.seen if tag == "a"}
    assert linked <= set(ids)
    assert {one.name for one in found.measures} <= set(ids)
    assert not re.search(r"\bnan\b|\binf\b|None|Undefined|\{[a-z]", plain(re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)))
    assert page.count("<svg") == sum(
        1 for one in found.measures if one.detail is not None and one.detail.kind == "curve" and one.detail.lines
    )
    assert "never heard of".capitalize() in plain(page)
    assert (" 12 only before is right" if language == "en" else "只有 before 对") in plain(page)


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_escapes_all_text_and_runs_nothing(language: Language) -> None:
    page = render_limits(every_kind(HOSTILE + " $\\frac{$"), language)
    tags = parsed(page)
    names = {tag for tag, _ in tags.seen}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form", "image", "foreignobject"}
    assert not any(name.startswith("on") for _, attributes in tags.seen for name in attributes)
    assert "&lt;script&gt;" in page
    assert "{{ 7*7 }}" in page
    policy = next(attributes for tag, attributes in tags.seen if tag == "meta" and "http-equiv" in attributes)
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    links = [
        value for _, attributes in tags.seen for name, value in attributes.items() if name in ("href", "src", "xlink:href")
    ]
    assert all(value.startswith("#") for value in links)
    outside = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"https?://|url\((?!#)|@import", outside)


def test_page_takes_hostile_names_of_rows_lines_and_labels() -> None:
    bad = "<b onclick=x>$\\alpha"
    made = [
        measure(name=f"m{place}", value=0.5, detail=detail)
        for place, detail in enumerate(
            (rates(3, bad), curve(3, 3, bad), confusion(3) | {"labels": [bad] * 3}, confusion(20) | {"labels": [bad] * 20})
        )
    ]
    page = render_limits(limits(made))
    parsed(page)
    assert "<b onclick" not in page
    assert "&lt;b onclick" in page


def test_page_is_small_and_the_same_every_time() -> None:
    found = every_kind("a text " * 140)
    first = render_limits(found)
    assert first == render_limits(found)
    assert len(first.encode()) < 2_000_000


@given(
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(0, 1e6),
    st.one_of(st.none(), st.floats(-1e6, 1e6)),
    st.sampled_from(get_args(Unit)),
    st.sampled_from(("higher", "lower", "neither")),
    st.sampled_from([detail for detail in DETAILS if detail is None or detail["kind"] != "curve"]),
)
@settings(deadline=None, max_examples=40)
def test_page_takes_any_figures(value: float, width: float, floor: float | None, unit: str, better: str, detail: Any) -> None:
    one = measure(
        value=value,
        interval=(value - width, value + width),
        floor=None if floor is None else {"value": floor, "what": "x"},
        unit=unit,
        better=better,
        detail=detail,
    )
    parsed(render_limits(limits([one])))


def test_sections_come_by_severity_and_what_was_not_measured_last() -> None:
    fine = measure(name="fine", family="fine", value=0.9, interval=(0.85, 0.95), floor={"value": 0.5, "what": "x"})
    bad = measure(name="bad", family="bad", value=0.5, interval=(0.45, 0.55), floor={"value": 0.5, "what": "x"})
    seen = measure(name="seen", family="seen", value=0.1, status="contaminated", reason="it has seen them")
    lost = measure(
        name="lost", family="lost", value=None, status="not measurable", reason="a Python callable gives no embeddings"
    )
    page = render_limits(limits([seen, lost, fine, bad]))
    places = [page.index(f'<section id="{name}"') for name in ("family-bad", "family-fine", "family-seen", "not-measured")]
    assert places == sorted(places)
    text = plain(page)
    assert "This counts for nothing: it has seen them" in text
    assert "not measurable: a Python callable gives no embeddings" in text
    assert "memory, not skill" in text


def test_policy_is_put_in_words() -> None:
    coverage, kept = measure(name="coverage", value=0.6, n=200), measure(name="accuracy-of-answers", value=0.95, n=120)
    text = plain(render_limits(limits([coverage, kept], policy=POLICY)))
    assert "Of the answers that it gives, at least 95 % are right" in text
    assert "answered rightly 57.0 %" in text
    assert "answered wrongly 3.0 %" in text
    assert "left to a person 40.0 %" in text
    assert "5 labels are too few for such a set to leave any label out" in text
    none = POLICY | {
        "threshold": {
            "target": 0.95,
            "confidence": 0.9,
            "n": 40,
            "reason": "40 labels are too few to prove 95 %",
            "labels_needed": 190,
        }
    }
    english, chinese = (plain(render_limits(limits([], policy=none), language)) for language in LANGUAGES)
    assert "nothing can be promised yet" in english
    assert "about 190 are needed" in english
    assert "40 个标签太少，证明不了 95 %" in chinese
    assert "No policy could be fitted" in plain(render_limits(limits([])))


def test_a_changed_text_shows_what_changed() -> None:
    before, after = changes("a <good> film & more", "a <bad> film & more")
    assert before == "a <del>&lt;good&gt;</del> film &amp; more"
    assert after == "a <ins>&lt;bad&gt;</ins> film &amp; more"
    assert changes("房间很大", "房间很小")[1] == "房间很<ins>小</ins>"
    assert changes("one thing", "quite different words here") == ("one thing", "quite different words here")


def test_examples_can_be_left_out() -> None:
    held = "left out on request"
    kept, left = (audit(BOASTFUL, examples(400), examples=keep, only=CORE) for keep in (True, False))
    assert held not in plain(render_limits(kept))
    assert any(one.worst for one in kept.measures)
    assert not any(one.worst for one in left.measures)
    assert held in plain(render_limits(left))
    assert "text 1" not in left.model_dump_json()


def english(page: str) -> list[str]:
    """What a Chinese page says in English, beside texts, names, commands and facts of the making."""
    page = re.sub(
        r'<blockquote.*?</blockquote>|<code>.*?</code>|<bdi>.*?</bdi>|<dl class="facts">.*?</dl>', "", page, flags=re.DOTALL
    )
    marked = re.findall(r'<(?:span|h2) lang="en">[^<]*', page)
    return marked + [word for word in re.findall(r"[A-Za-z]{3,}", plain(page)) if word not in NAMES]


NAMES = {
    *(
        "fathom",
        "predict",
        "policy",
        "limits",
        "json",
        "html",
        "Wilson",
        "Student",
        "Brier",
        "smECE",
        "nats",
        "Holm",
        "Kolmogorov",
    ),
    *("AURC", "AUGRC", "AUROC", "TF", "IDF", "OCR", "FLOPs", "MFLOPs", "GFLOPs", "Smirnov", "comprehensiveness", "sufficiency"),
    *(
        "bad",
        "good",
        "the",
        "examples",
        "Rule",
        "target",
        "train",
        "DATA",
        "only",
        "group",
        "COLUMN",
        "compare",
        "data",
        "watts",
    ),
    *("NUMBER", "pairs", "FILE", "finetune", "canaries", "torch", "Bonferroni", "jieba", "python", "Python"),
}


@pytest.mark.parametrize("who", [PERFECT, CONSTANT, HONEST, BOASTFUL], ids=["perfect", "constant", "honest", "boastful"])
def test_a_chinese_page_is_chinese(who: Rule) -> None:
    data = examples(1200)
    for found in (
        audit(who, data[:600], train=data[600:], only=CORE, language="zh"),
        audit(who, data[:60], only=CORE, language="zh"),
    ):
        page = render_limits(found)
        assert '<html lang="zh-Hans">' in page
        assert english(page) == []


def test_every_family_that_has_a_heading_is_chinese_on_a_chinese_page() -> None:
    data = [Example(text, label) for place in range(60) for text, label in chinese(place)]
    known = [measuring.name for measuring in MEASURINGS if measuring.name in meanings.FAMILIES]
    found = audit(HONEST, data[:200], train=data[200:], only=known, quick=True, compare_data=data[:100], watts=10)
    assert found.data.language == "zh"
    assert {one.family for one in found.measures} == set(known)
    assert english(render_limits(found)) == []


def chinese(place: int) -> list[tuple[str, str]]:
    thing, when = ("房间", "菜", "电影", "书", "服务", "音乐")[place % 6], ("昨天", "今天", "上周", "去年", "周末")[place % 5]
    return [
        (f"{when}去的第{place}家店，{thing}真好，大家都很满意，还会再来", "good"),
        (f"{when}去的第{place}家店，{thing}太差，等了很久，再也不来了", "bad"),
        (f"第{place}次来，{thing}依旧让人喜欢，{when}的体验很棒", "good"),
        (f"第{place}次来，{thing}越来越糟糕，{when}的体验很失望", "bad"),
    ]


def test_every_word_is_there_in_both_languages() -> None:
    def fields(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    said = [
        *words.PAGE.values(),
        *words.FAMILIES.values(),
        *words.UNITS.values(),
        *words.DOORS.values(),
        *words.STATES.values(),
    ]
    for explained in words.MEASURES.values():
        said += [one for one in explained if one is not None]
    for one in said:
        assert fields(one.en) == fields(one.zh), one
        if re.search(r"[A-Za-z]{4}", re.sub(r"\{\w+\}|nats", "", one.en)):
            assert re.search(r"[\u4e00-\u9fff]", one.zh), one
    for english, chinese in words.SENTENCES.items():
        assert fields(english) == fields(chinese), english
    assert set(words.STATES) == set(get_args(State))
    assert {status for status in get_args(Status) if status != "measured"} <= set(words.PAGE)


def test_what_a_record_says_is_translated_with_its_figures() -> None:
    assert in_language("always answering 'good', the most frequent label", "zh") == ("总是回答最常见的标签“good”", True)
    assert in_language("no threshold: 40 labels are too few to prove 95 %; about 190 would do", "zh") == (
        "没有阈值：40 个标签太少，证明不了 95 %；大约 190 个就够",
        True,
    )
    assert in_language("something that nobody has written yet", "zh") == ("something that nobody has written yet", False)
    assert in_language("always answering 'good', the most frequent label", "en")[0].startswith("always")
    assert in_language("{a} gives no {b}", "zh") == ("{a} 不提供 {b}", True)
