"""What the closed-book questions are about: plain facts that most people know, and names of things that do not exist.

Our own writing. Each kind of question is asked about real and about invented things in the same words, so that only knowing
tells them apart. Invented names are drawn from syllables; that nothing bears them was not looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fathom.limits.meanings import Language

Fact = tuple[str, tuple[str, ...]]  # what is asked about, and the answers that are right


@dataclass(frozen=True)
class Kind:
    """One kind of question."""

    name: str
    question: str  # with {}
    facts: tuple[Fact, ...]
    invented: str  # with {} for a name


def invented_names(language: Language, count: int, generator: np.random.Generator) -> list[str]:
    """Different names."""
    found: dict[str, None] = {}
    make: Callable[[np.random.Generator], str] = {"en": _english, "zh": _chinese}[language]
    while len(found) < count:
        found[make(generator)] = None
    return list(found)


def _english(generator: np.random.Generator) -> str:
    return "".join(str(generator.choice(part)) for part in _SYLLABLES)


def _chinese(generator: np.random.Generator) -> str:
    return "".join(str(sign) for sign in generator.choice(list(_SIGNS), size=3, replace=False))


_SYLLABLES = (
    ("Vel", "Qar", "Thr", "Brox", "Zan", "Morv", "Kelz", "Dru", "Ostr", "Fenq", "Gryl", "Lunv", "Pask", "Wid", "Yor"),
    ("o", "u", "ei", "ou", "ae"),
    ("mb", "rv", "nth", "lq", "sk", "dr", "zz", "vl"),
    ("o", "a", "u", "e"),
    ("th", "x", "rn", "lk", "v", "dd", "sh"),
)
_SIGNS = "赫墨卡洛兹贝努格席奥维撒缇弗焙岚"

KINDS: dict[Language, tuple[Kind, ...]] = {
    "en": (
        Kind(
            "capital",
            "What is the capital of {}?",
            (
                ("France", ("Paris",)),
                ("Japan", ("Tokyo",)),
                ("Italy", ("Rome",)),
                ("Spain", ("Madrid",)),
                ("Germany", ("Berlin",)),
                ("Egypt", ("Cairo",)),
                ("Russia", ("Moscow",)),
                ("Greece", ("Athens",)),
                ("Portugal", ("Lisbon",)),
                ("Austria", ("Vienna",)),
            ),
            "{}ia",
        ),
        Kind(
            "author",
            'Who wrote the book "{}"?',
            (
                ("Hamlet", ("Shakespeare",)),
                ("Pride and Prejudice", ("Austen",)),
                ("Moby-Dick", ("Melville",)),
                ("Oliver Twist", ("Dickens",)),
                ("War and Peace", ("Tolstoy",)),
                ("The Odyssey", ("Homer",)),
                ("Don Quixote", ("Cervantes",)),
                ("Frankenstein", ("Shelley",)),
                ("Dracula", ("Stoker",)),
                ("The Hobbit", ("Tolkien",)),
            ),
            "The Ferryman of {}",
        ),
        Kind(
            "country",
            "In which country is the city of {}?",
            (
                ("Munich", ("Germany",)),
                ("Milan", ("Italy",)),
                ("Barcelona", ("Spain",)),
                ("Osaka", ("Japan",)),
                ("Lyon", ("France",)),
                ("Shanghai", ("China",)),
                ("Mumbai", ("India",)),
                ("Toronto", ("Canada",)),
                ("Chicago", ("United States", "USA", "US", "U.S.", "America")),
                ("Manchester", ("England", "United Kingdom", "UK", "U.K.", "Britain")),
            ),
            "{}",
        ),
        Kind(
            "symbol",
            "What is the chemical symbol of the element {}?",
            (
                ("gold", ("Au",)),
                ("silver", ("Ag",)),
                ("iron", ("Fe",)),
                ("sodium", ("Na",)),
                ("lead", ("Pb",)),
                ("calcium", ("Ca",)),
                ("zinc", ("Zn",)),
                ("copper", ("Cu",)),
                ("tin", ("Sn",)),
                ("mercury", ("Hg",)),
            ),
            "{}ium",
        ),
        Kind(
            "painter",
            'Who painted "{}"?',
            (
                ("Mona Lisa", ("Leonardo", "da Vinci")),
                ("The Starry Night", ("van Gogh",)),
                ("Guernica", ("Picasso",)),
                ("The Scream", ("Munch",)),
                ("Girl with a Pearl Earring", ("Vermeer",)),
                ("The Night Watch", ("Rembrandt",)),
                ("The Birth of Venus", ("Botticelli",)),
                ("The Kiss", ("Klimt",)),
                ("Water Lilies", ("Monet",)),
                ("The Persistence of Memory", ("Dalí", "Dali")),
            ),
            "The Winter Bridge at {}",
        ),
        Kind(
            "continent",
            "On which continent is the country {}?",
            (
                ("Brazil", ("South America",)),
                ("Kenya", ("Africa",)),
                ("France", ("Europe",)),
                ("China", ("Asia",)),
                ("Canada", ("North America",)),
                ("Nigeria", ("Africa",)),
                ("India", ("Asia",)),
                ("Chile", ("South America",)),
                ("Poland", ("Europe",)),
                ("Mexico", ("North America",)),
            ),
            "{}ia",
        ),
    ),
    "zh": (
        Kind(
            "capital",
            "{}的首都是哪里？",
            (
                ("法国", ("巴黎",)),
                ("日本", ("东京",)),
                ("意大利", ("罗马",)),
                ("西班牙", ("马德里",)),
                ("德国", ("柏林",)),
                ("埃及", ("开罗",)),
                ("俄罗斯", ("莫斯科",)),
                ("希腊", ("雅典",)),
                ("英国", ("伦敦",)),
                ("韩国", ("首尔", "汉城")),
            ),
            "{}国",
        ),
        Kind(
            "author",
            "《{}》的作者是谁？",
            (
                ("红楼梦", ("曹雪芹",)),
                ("西游记", ("吴承恩",)),
                ("三国演义", ("罗贯中",)),
                ("水浒传", ("施耐庵",)),
                ("阿Q正传", ("鲁迅", "周树人")),
                ("骆驼祥子", ("老舍", "舒庆春")),
                ("边城", ("沈从文",)),
                ("围城", ("钱钟书", "钱锺书")),
                ("史记", ("司马迁",)),
                ("倾城之恋", ("张爱玲",)),
            ),
            "{}的摆渡人",
        ),
        Kind(
            "province",
            "{}市在中国的哪个省？",
            (
                ("广州", ("广东",)),
                ("南京", ("江苏",)),
                ("杭州", ("浙江",)),
                ("成都", ("四川",)),
                ("武汉", ("湖北",)),
                ("长沙", ("湖南",)),
                ("西安", ("陕西",)),
                ("郑州", ("河南",)),
                ("沈阳", ("辽宁",)),
                ("昆明", ("云南",)),
            ),
            "{}",
        ),
        Kind(
            "symbol",
            "元素“{}”的化学符号是什么？",
            (
                ("金", ("Au",)),
                ("银", ("Ag",)),
                ("铁", ("Fe",)),
                ("钠", ("Na",)),
                ("铅", ("Pb",)),
                ("钙", ("Ca",)),
                ("锌", ("Zn",)),
                ("铜", ("Cu",)),
                ("锡", ("Sn",)),
                ("汞", ("Hg",)),
            ),
            "{}",
        ),
        Kind(
            "continent",
            "{}这个国家在哪个洲？",
            (
                ("巴西", ("南美",)),
                ("肯尼亚", ("非洲",)),
                ("法国", ("欧洲",)),
                ("中国", ("亚洲",)),
                ("加拿大", ("北美",)),
                ("尼日利亚", ("非洲",)),
                ("印度", ("亚洲",)),
                ("智利", ("南美",)),
                ("波兰", ("欧洲",)),
                ("墨西哥", ("北美",)),
            ),
            "{}国",
        ),
    ),
}
