"""Templates in English. Our own sentences and words; anybody may use them for anything (CC0)."""

from __future__ import annotations

from fathom.limits.behaviour.wording import Directed, Language, Sided, Swapped

_WORDS = {
    "thing": ("film", "book", "show", "story", "meal", "hotel", "service", "play", "concert", "restaurant", "album", "series"),
    "good": ("excellent", "wonderful", "brilliant", "delightful", "superb", "fantastic", "great", "lovely", "outstanding"),
    "bad": ("terrible", "awful", "dreadful", "horrible", "appalling", "lousy", "atrocious", "pathetic", "miserable"),
    # words whose denial is clearly the opposite side: "not brilliant" may still be fine, "not good" is not
    "nice": ("good", "enjoyable", "interesting", "pleasant", "worth the money", "funny", "likeable", "well made"),
    "poor": ("bad", "boring", "disappointing", "unpleasant", "a waste of time", "dull", "annoying", "badly made"),
    "love": ("love", "adore", "enjoyed", "admire", "recommend"),
    "hate": ("hate", "detest", "despise", "regret", "cannot stand"),
    "virtue": ("charm", "warmth", "wit", "quality", "merit", "any appeal"),
    "fault": ("flaws", "faults", "a dull moment", "mistakes", "any weakness", "a single blemish"),
    "part": ("beginning", "first hour", "first part", "opening", "start"),
    "name": ("Maria", "James", "Aisha", "Wei", "Olga", "Carlos", "Fatima", "Daniel", "Yuki", "Anna", "Kwame", "Priya", "Lars"),
    "place": ("London", "Nairobi", "Toronto", "Lima", "Oslo", "Mumbai", "Seoul", "Cairo", "Lisbon", "Denver", "Hanoi", "Perth"),
    "title": (
        *("The Blue Harbour", "Seven Windows", "North of Arden", "The Clockmaker", "A House in Tarn", "Paper Bridges"),
        *("The Fourth Letter", "Winter at Sall", "The Long Table", "Marble Street"),
    ),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "number": ("11", "17", "23", "38", "42", "56", "64", "79", "85", "97"),
}


def _said(capability: str, name: str, praise: str, blame: str, *, mild: str = "") -> Sided:
    return Sided(capability, name, praise, blame, "praise" in mild, "blame" in mild)


_SIDED = (
    _said("vocabulary", "was", "The {thing} was {good}.", "The {thing} was {bad}."),
    _said("vocabulary", "I love, I hate", "I {love} this {thing}.", "I {hate} this {thing}."),
    _said("vocabulary", "what a …!", "What a {good} {thing}!", "What a {bad} {thing}!"),
    _said("vocabulary", "simply", "Simply {good}.", "Simply {bad}."),
    _said(
        *("vocabulary", "after facts"),
        "We were there on {day} with {name} and {number} others, and the {thing} was {good}.",
        "We were there on {day} with {name} and {number} others, and the {thing} was {bad}.",
    ),
    _said("vocabulary", "said of itself", "{name} and I found the {thing} {nice}.", "{name} and I found the {thing} {poor}."),
    _said("negation", "was not", "The {thing} was not {poor}.", "The {thing} was not {nice}.", mild="praise"),
    _said("negation", "wasn't at all", "The {thing} wasn't at all {poor}.", "The {thing} wasn't at all {nice}.", mild="praise"),
    _said("negation", "never", "The {thing} was never {poor}.", "The {thing} was never {nice}.", mild="praise"),
    _said(
        *("negation", "nothing was"),
        "Nothing about the {thing} was {poor}.",
        "Nothing about the {thing} was {nice}.",
        mild="praise",
    ),
    _said("negation", "without", "The {thing} was without {fault}.", "The {thing} was without {virtue}."),
    _said(
        *("negation", "nobody could call it"),
        "Nobody could call the {thing} {poor}.",
        "Nobody could call the {thing} {nice}.",
        mild="praise",
    ),
    _said(
        *("negation", "I do not think that (scope)"),
        "I do not think that the {thing} was {poor}.",
        "I do not think that the {thing} was {nice}.",
        mild="praise",
    ),
    _said(
        *("negation", "it is not true that … not (double)"),
        "It is not true that the {thing} was not {nice}.",
        "It is not true that the {thing} was not {poor}.",
    ),
    _said(
        *("negation", "I cannot say that … did not (double)"),
        "I cannot say that I did not find the {thing} {nice}.",
        "I cannot say that I did not find the {thing} {poor}.",
    ),
    _said(
        *("negation", "not, many words before (distant)"),
        "I do not think, after all that {name} had told me about it in {place} on {day}, that the {thing} was {poor}.",
        "I do not think, after all that {name} had told me about it in {place} on {day}, that the {thing} was {nice}.",
        mild="praise",
    ),
    _said(
        *("negation", "expected, but it was not"),
        "I expected the {thing} to be {poor}, but it was not.",
        "I expected the {thing} to be {nice}, but it was not.",
        mild="praise",
    ),
    _said(
        *("negation", "a question, and no"),
        "Was the {thing} {poor}? No, not at all.",
        "Was the {thing} {nice}? No, not at all.",
        mild="praise",
    ),
    _said(
        *("negation", "not only … but also"),
        "The {thing} was not only {good} but also {good2}.",
        "The {thing} was not only {bad} but also {bad2}.",
    ),
    _said(
        *("comparison", "better, worse than any other"),
        "The {thing} was better than any other that I know.",
        "The {thing} was worse than any other that I know.",
    ),
    _said(
        *("comparison", "every other one is"),
        "Every other {thing} that I know is worse than this one.",
        "Every other {thing} that I know is better than this one.",
    ),
    _said(
        *("comparison", "could not have been"),
        "The {thing} could not have been better.",
        "The {thing} could not have been worse.",
    ),
    _said(
        *("comparison", "than I had feared, than I had hoped"),
        "The {thing} was far better than I had feared.",
        "The {thing} was far worse than I had hoped.",
    ),
    _said(
        *("comparison", "much less … than I had been told"),
        "The {thing} was much less {bad} than I had been told.",
        "The {thing} was much less {good} than I had been told.",
        mild="praise",
    ),
    _said(
        *("comparison", "I prefer"),
        "I prefer this {thing} to all the others.",
        "I prefer all the others to this {thing}.",
    ),
    _said(
        *("time", "used to think, but now"),
        "I used to think that the {thing} was {bad}, but now I think that it is {good}.",
        "I used to think that the {thing} was {good}, but now I think that it is {bad}.",
    ),
    _said(
        *("time", "now, although it used to be"),
        "The {thing} is {good} now, although it used to be {bad}.",
        "The {thing} is {bad} now, although it used to be {good}.",
    ),
    _said(
        *("time", "at first, in the end"),
        "At first the {thing} seemed {bad}; in the end it was {good}.",
        "At first the {thing} seemed {good}; in the end it was {bad}.",
    ),
    _said(
        *("time", "years ago, today"),
        "Years ago I called the {thing} {bad}. Today I call it {good}.",
        "Years ago I called the {thing} {good}. Today I call it {bad}.",
    ),
    _said(
        *("time", "no longer"),
        "The {thing} is no longer {poor}.",
        "The {thing} is no longer {nice}.",
        mild="praise",
    ),
    _said(
        *("time", "has become"),
        "The {thing}, once {bad}, has become {good}.",
        "The {thing}, once {good}, has become {bad}.",
    ),
    _said(
        *("who-says-it", "another calls it, but I"),
        "{name} calls the {thing} {bad}, but I think that it is {good}.",
        "{name} calls the {thing} {good}, but I think that it is {bad}.",
    ),
    _said(
        *("who-says-it", "everyone told me, I found"),
        "Everyone told me that the {thing} would be {bad}. I found it {good}.",
        "Everyone told me that the {thing} would be {good}. I found it {bad}.",
    ),
    _said(
        *("who-says-it", "wrong to call it"),
        "The critics were wrong to call the {thing} {bad}.",
        "The critics were wrong to call the {thing} {good}.",
        mild="praise blame",
    ),
    _said(
        *("who-says-it", "I disagree"),
        "{name} says that the {thing} is {bad}. I could not disagree more.",
        "{name} says that the {thing} is {good}. I could not disagree more.",
    ),
    _said(
        *("who-says-it", "on the other hand"),
        "My brother found the {thing} {bad}. I, on the other hand, found it {good}.",
        "My brother found the {thing} {good}. I, on the other hand, found it {bad}.",
    ),
    _said(
        *("who-says-it", "believe me"),
        "One hears that the {thing} is {bad}. Believe me, it is {good}.",
        "One hears that the {thing} is {good}. Believe me, it is {bad}.",
    ),
    _said(
        *("who-says-it", "though another does not"),
        "I call the {thing} {good}, though {name} calls it {bad}.",
        "I call the {thing} {bad}, though {name} calls it {good}.",
    ),
    _said(
        *("concession", "and yet"),
        "The {thing} has its {bad} moments, and yet it is {good}.",
        "The {thing} has its {good} moments, and yet it is {bad}.",
    ),
    _said(
        *("concession", "however … it may be"),
        "However {bad} the {part} may be, the {thing} is {good}.",
        "However {good} the {part} may be, the {thing} is {bad}.",
    ),
    _said(
        *("concession", "although the beginning"),
        "Although the {part} was {bad}, the {thing} as a whole was {good}.",
        "Although the {part} was {good}, the {thing} as a whole was {bad}.",
    ),
    _said(
        *("concession", "as a whole, in spite of"),
        "The {thing} as a whole was {good}, in spite of its {bad} {part}.",
        "The {thing} as a whole was {bad}, in spite of its {good} {part}.",
    ),
    _said(
        *("concession", "…, but"),
        "The {part} was {bad}, but everything after it was {good}.",
        "The {part} was {good}, but everything after it was {bad}.",
    ),
    # blame in words of praise, beside the same words meant as they stand
    _said("sarcasm", "oh great, another", "Oh great, another {good} {thing}!", "Oh great, another {bad} {thing}."),
    _said(
        *("sarcasm", "yeah, right"),
        "Yes, really, what a {good} {thing}. I would pay for it again.",
        "Yeah, right, what a {good} {thing}. I want my money back.",
    ),
    _said(
        *("sarcasm", "as if"),
        'They call the {thing} "{good}". And so it is.',
        'They call the {thing} "{good}". As if.',
    ),
    _said(
        *("sarcasm", "just what I needed"),
        "A {good} {thing}. Just what I needed.",
        "A {bad} {thing}. Just what I needed.",
    ),
    _said(
        *("sarcasm", "so good that I left"),
        "The {thing} was so {good} that I came back the next day.",
        "The {thing} was so {good} that I left after ten minutes.",
    ),
    _said(
        *("sarcasm", "if you like"),
        "A {good} {thing}, if you like to be moved and to laugh.",
        "A {good} {thing}, if you like to be bored and to yawn.",
    ),
)


def _stronger(name: str, word: str, *, more: bool) -> Directed:
    return Directed(
        *("intensity", name),
        ("The {thing} was {nice}.", f"The {{thing}} was {word} {{nice}}."),
        ("The {thing} was {poor}.", f"The {{thing}} was {word} {{poor}}."),
        more=more,
    )


_DIRECTED = (
    _stronger("really", "really", more=True),
    _stronger("most certainly", "most certainly", more=True),
    _stronger("truly", "truly", more=True),
    Directed(
        *("intensity", "!!!"),
        ("The {thing} was {good}.", "The {thing} was {good}!!!"),
        ("The {thing} was {bad}.", "The {thing} was {bad}!!!"),
        more=True,
    ),
    Directed(
        *("intensity", "said twice"),
        ("The {thing} was {good}.", "The {thing} was {good}, {good}."),
        ("The {thing} was {bad}.", "The {thing} was {bad}, {bad}."),
        more=True,
    ),
    Directed(
        *("intensity", "and"),
        ("The {thing} was {good}.", "The {thing} was {good} and {good2}."),
        ("The {thing} was {bad}.", "The {thing} was {bad} and {bad2}."),
        more=True,
    ),
    _stronger("perhaps", "perhaps", more=False),
    _stronger("only in part", "only in part", more=False),
    _stronger("at times", "at times", more=False),
)

_CLEAR_AND_MIXED = (
    "the {thing} was {good}.",
    "the {thing} was {bad}.",
    "the {thing} was {nice}, but not all of it.",
    "the {thing} was {poor}, but not all of it.",
)


def _each(sentence: str) -> tuple[str, ...]:
    return tuple(sentence + end for end in _CLEAR_AND_MIXED)


_SWAPPED = (
    Swapped("entities", "names of persons", "name", _each("I went with {name}, and ")),
    Swapped("entities", "names of places", "place", _each("We were in {place} at that time, and ")),
    Swapped("entities", "titles", "title", _each('It was called "{title}", and ')),
    Swapped("entities", "numbers", "number", _each("There were {number} of us, and ")),
    Swapped("entities", "days", "day", _each("It was on a {day}, and ")),
)

ENGLISH = Language(
    words=_WORDS,
    sided=_SIDED,
    directed=_DIRECTED,
    swapped=_SWAPPED,
    praise=("I loved it.", "I would recommend it to everyone.", "What a pleasure."),
    blame=("I hated it.", "I would warn everyone of it.", "What a disappointment."),
)
