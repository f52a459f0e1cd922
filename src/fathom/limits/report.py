"""One page for people: what a classifier can be trusted with, what not, what to do, and the measurements behind it.

The page reads a `Comparison` and nothing else. It is one HTML file without scripts; all text from outside is escaped, and
its content security policy lets nothing be fetched or run, whatever a text may hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from fathom.limits import charts
from fathom.limits.comparison import Comparison
from fathom.limits.statistics import Interval

LONGEST_MISTAKE = 700  # characters shown of one text


@dataclass(frozen=True)
class Verdict:
    """Three plain sentences."""

    trust: str
    distrust: str
    do: str


def verdict(comparison: Comparison) -> Verdict:
    """What follows from the figures, by fixed rules: intervals decide, not the point values."""
    return Verdict(_trust(comparison), _distrust(comparison), _do(comparison))


def page_template(name: str) -> Template:
    """A template of a page, with what all of them use to write figures."""
    environment = Environment(
        loader=PackageLoader("fathom.limits"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "span": span,
        "points": points,
        "number": lambda value: f"{value:,}",
        "duration": duration,
        "shortened": shortened,
        "chance": chance_in_words,
    }
    return environment.get_template(name)


def render_report(comparison: Comparison) -> str:
    """The page."""
    model, baseline = comparison.model, comparison.baseline
    most_frequent = ("always the most frequent", comparison.most_frequent, False)
    rows = [(model.name, model.accuracy, True), (baseline.name, baseline.accuracy, False), most_frequent]
    return page_template("report.html.j2").render(
        c=comparison,
        verdict=verdict(comparison),
        finding=_finding(comparison),
        calibration=_calibration(comparison),
        length=_length(comparison),
        pictures={
            "accuracy": Markup(charts.accuracy_chart(rows)),
            "reliability": Markup(charts.reliability_chart(model, 1 / len(comparison.labels))),
            "length": Markup(charts.length_chart(model, baseline, comparison.length_unit)),
            "training": Markup(charts.training_chart(comparison.training)),
        },
    )


def percent(share: float, digits: int = 1) -> str:
    """0.8235 → "82.4 %", with a space that does not break."""
    return f"{100 * share:.{digits}f}\u00a0%"


def span(interval: Interval, digits: int = 1) -> str:
    """(0.806, 0.84) → "80.6 to 84.0 %"."""
    return f"{100 * interval[0]:.{digits}f} to {percent(interval[1], digits)}"


def points(difference: float) -> str:
    """0.061 → "+6.1", −0.02 → "−2.0"."""
    return f"{100 * difference:+.1f}".replace("-", "\u2212")


def duration(seconds: float) -> str:
    """75 → "1 min 15 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}\u00a0min {rest}\u00a0s" if minutes else f"{rest}\u00a0s"


def shortened(text: str) -> str:
    """A text as it is shown: its beginning, if it is long."""
    return text if len(text) <= LONGEST_MISTAKE else text[:LONGEST_MISTAKE].rstrip() + " …"


def chance_in_words(p_value: float) -> str:
    """0.0004 → "once in 2,500 times"."""
    if p_value > 0.5:
        return "more often than not"
    if p_value < 1e-6:
        return "less than once in a million times"
    return f"once in {1 / p_value:,.0f} times"


def _is_better(comparison: Comparison) -> bool | None:
    """Than the bag of words; None where the data cannot tell."""
    low, high = _difference_interval(comparison)
    return True if low > 0 else False if high < 0 else None


def _difference_interval(comparison: Comparison) -> Interval:
    """The wider of the two that were measured, where groups are known: the careful reading."""
    found = comparison.difference
    if found.by_group is None:
        return found.interval
    return (min(found.interval[0], found.by_group[0]), max(found.interval[1], found.by_group[1]))


def _beats_guessing(comparison: Comparison) -> bool:
    return comparison.model.accuracy.interval[0] > comparison.most_frequent.value


def _trust(comparison: Comparison) -> str:
    model, name = comparison.model, comparison.baseline.name
    if not _beats_guessing(comparison):
        return (
            f"Nothing yet: on {comparison.n:,} {comparison.texts} that it had never seen it is right "
            f"{percent(model.accuracy.value)} of the time, and always answering the most frequent label "
            f"is right {percent(comparison.most_frequent.value)}."
        )
    rate = f"it answers {percent(model.accuracy.value)} rightly (95 % interval {span(model.accuracy.interval)})"
    sorting = f"Sorting {comparison.texts} in bulk: of {comparison.n:,} that it had never seen, {rate}"
    if _is_better(comparison):
        return f"{sorting}, {points(comparison.difference.value).lstrip('+')} points more than a {name}."
    if _is_better(comparison) is None:
        return f"{sorting}; a {name} does as well as these texts can tell."
    return f"{sorting}, but a {name} answers {percent(comparison.baseline.accuracy.value)} rightly."


def _distrust(comparison: Comparison) -> str:
    model = comparison.model
    unsure = (
        f"Single answers that it is unsure of: in the less confident half, {percent(1 - model.less_sure_half.value)} are wrong"
    )
    weakest = _weakest_label(comparison)
    also = f", and of the texts that are {weakest[0]} it misses {percent(weakest[1])}" if weakest else ""
    return f"{unsure}{also}; and nothing on this page was measured on any other kind of text."


def _do(comparison: Comparison) -> str:
    model = comparison.model
    if not _beats_guessing(comparison):
        return "Check the labels and the training curve below, and train on more texts, before you use it for anything."
    if not _is_better(comparison):
        return (
            f"Use the {comparison.baseline.name}, which costs next to nothing, or give this model more texts or more training."
        )
    wrong = 1 - model.accuracy.value
    unsure = model.less_sure_half
    held = (1 - unsure.value) * unsure.n / (wrong * model.accuracy.n) if wrong else 0.0
    return (
        f"Let a person read what it answers with less than {percent(model.median_confidence, 0)} confidence, which is half "
        f"of these texts and holds {percent(held, 0)} of its mistakes, "
        f"and measure it on texts of your own before you rely on it."
    )


def _weakest_label(comparison: Comparison) -> tuple[str, float] | None:
    """The label that is missed most, and how often, where it is missed more than the rest beyond chance."""
    from fathom.limits.statistics import wilson

    model = comparison.model
    worst = min(range(len(comparison.labels)), key=lambda place: model.classes[place].recall if model.classes[place].n else 1.0)
    found = model.classes[worst]
    _, high = wilson(model.confusion[worst][worst], found.n)
    return (comparison.labels[worst], 1 - found.recall) if high < model.accuracy.value else None


def _finding(comparison: Comparison) -> str:
    """The heading of the comparison."""
    if _is_better(comparison):
        return f"It beats a {comparison.baseline.name}"
    if _is_better(comparison) is None:
        return f"No better than a {comparison.baseline.name}, as far as these texts can tell"
    return f"A {comparison.baseline.name} beats it"


def _calibration(comparison: Comparison) -> str:
    """The heading of the reliability curve."""
    found = comparison.model.calibration
    if found.error <= found.floor_95:
        return "Its confidence means what it says"
    if abs(found.gap) < found.error / 2:
        return "Its confidence is off, now high, now low"
    return "It is surer than it should be" if found.gap > 0 else "It is less sure than it could be"


def _length(comparison: Comparison) -> str:
    """The heading of accuracy by length: only intervals that lie apart make a difference."""
    parts = comparison.model.by_length
    best, worst = max(parts, key=lambda part: part.interval[0]), min(parts, key=lambda part: part.interval[1])
    if best.interval[0] <= worst.interval[1]:
        return "Length makes no difference that these texts can show"
    return "Longer texts are harder" if worst.shortest > best.shortest else "Shorter texts are harder"
