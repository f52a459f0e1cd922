"""Questions with answers to choose from: our own, and those of a file.

    {"question": "Which of these is a fruit?", "choices": ["apple", "chair", "river", "stone"], "answer": 0}

One JSON object a line; the answer is the number of a choice, counted from 0, its text, or its letter. Our own are plain facts,
written for this project; the right choice stands first here and is put elsewhere when it is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fathom.errors import DataError
from fathom.limits.meanings import Language

LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Question:
    """One question, in the order in which its choices are shown."""

    text: str
    choices: tuple[str, ...]
    answer: int

    @property
    def with_letters(self) -> str:
        """As a message that asks for a letter."""
        listed = "\n".join(f"{letter}) {choice}" for letter, choice in zip(LETTERS, self.choices, strict=False))
        return f"{self.text}\n{listed}"


def holds_questions(path: str) -> bool:
    """Whether a file's first line is such a question."""
    file = Path(path)
    if file.suffix not in (".jsonl", ".json") or not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as lines:
        try:
            first = json.loads(lines.readline())
        except ValueError:
            return False
    return isinstance(first, dict) and "question" in first


def read_questions(path: Path) -> list[Question]:
    """The questions of a file.

    Raises:
        DataError: a line that is none; says which, and what is wrong with it.
    """
    found = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", expected="questions, one JSON object a line, in UTF-8") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(_question(json.loads(line)))
            except (ValueError, TypeError, KeyError) as error:
                what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
                raise DataError(
                    f"{path}, line {number}: {what}",
                    expected='{"question": "…", "choices": ["…", "…"], "answer": 0}, one a line',
                ) from error
    if not found:
        raise DataError(f"{path} holds no questions", expected="one JSON object a line")
    return found


def _question(row: dict[str, Any]) -> Question:
    text, choices, answer = row["question"], row["choices"], row["answer"]
    if not isinstance(text, str) or not text.strip():
        raise ValueError("the question is no text")
    if not isinstance(choices, list) or not all(isinstance(choice, str) and choice.strip() for choice in choices):
        raise ValueError("the choices are no list of texts")
    if not 2 <= len(choices) <= len(LETTERS) or len({choice.strip() for choice in choices}) < len(choices):
        raise ValueError(f"{len(choices)} choices; 2 to {len(LETTERS)} different ones are expected")
    if isinstance(answer, str):
        if answer in choices:
            answer = choices.index(answer)
        elif len(answer.strip()) == 1 and answer.strip().upper() in LETTERS:
            answer = LETTERS.index(answer.strip().upper())
    if not isinstance(answer, int) or isinstance(answer, bool) or not 0 <= answer < len(choices):
        raise ValueError(f"the answer is {answer!r}, which is none of the choices")
    return Question(text.strip(), tuple(choice.strip() for choice in choices), answer)


OWN: dict[Language, tuple[tuple[str, str, str, str, str], ...]] = {  # the right choice first
    "en": (
        ("Which animal barks?", "dog", "cat", "cow", "duck"),
        ("What do bees make?", "honey", "milk", "paper", "wool"),
        ("What colour is grass?", "green", "red", "blue", "purple"),
        ("How many legs does a spider have?", "eight", "four", "six", "two"),
        ("Which of these is a fruit?", "apple", "carrot", "potato", "onion"),
        ("What is frozen water called?", "ice", "steam", "sand", "smoke"),
        ("Which planet do we live on?", "Earth", "Mars", "Venus", "Saturn"),
        ("What do you use to see?", "eyes", "ears", "hands", "feet"),
        ("Which season is the coldest?", "winter", "summer", "spring", "autumn"),
        ("How many days are in a week?", "seven", "five", "ten", "twelve"),
        ("What is the opposite of hot?", "cold", "tall", "fast", "loud"),
        ("Which animal gives us wool?", "sheep", "horse", "fish", "hen"),
        ("What falls from clouds?", "rain", "leaves", "stones", "coins"),
        ("Which of these can fly?", "eagle", "whale", "snake", "rabbit"),
        ("What is two plus three?", "five", "four", "six", "nine"),
        ("Which metal is attracted by a magnet?", "iron", "gold", "silver", "lead"),
        ("What is the capital of France?", "Paris", "Rome", "Madrid", "Berlin"),
        ("Which ocean lies between Europe and America?", "Atlantic", "Pacific", "Indian", "Arctic"),
        ("What do plants need to grow?", "light", "music", "salt", "smoke"),
        ("Which organ pumps blood?", "heart", "lung", "stomach", "skin"),
        ("What is a baby dog called?", "puppy", "kitten", "calf", "chick"),
        ("Which month comes after March?", "April", "May", "February", "June"),
        ("Which language is spoken in Brazil?", "Portuguese", "Spanish", "French", "Dutch"),
        ("What is the largest planet of our solar system?", "Jupiter", "Earth", "Mars", "Mercury"),
        ("Which gas do people need to breathe?", "oxygen", "helium", "neon", "methane"),
        ("How many sides does a triangle have?", "three", "four", "five", "six"),
        ("What is bread made from?", "flour", "glass", "iron", "wood"),
        ("Which animal is the largest?", "whale", "elephant", "horse", "lion"),
        ("What do you write with?", "pen", "spoon", "shoe", "plate"),
        ("Who wrote Hamlet?", "Shakespeare", "Dickens", "Homer", "Goethe"),
        ("What is the chemical symbol of gold?", "Au", "Ag", "Fe", "Pb"),
        ("How many hours are in a day?", "24", "12", "60", "30"),
        ("Which country has the city of Kyoto?", "Japan", "China", "Korea", "Vietnam"),
        ("What is the square root of 81?", "nine", "seven", "eight", "eleven"),
        ("Which of these is a river?", "Danube", "Everest", "Sahara", "Vesuvius"),
        ("On which continent is Kenya?", "Africa", "Asia", "Europe", "Australia"),
        ("What does a thermometer measure?", "temperature", "weight", "distance", "time"),
        ("Which instrument has keys and strings?", "piano", "drum", "flute", "trumpet"),
        ("At how many degrees Celsius does water boil at sea level?", "100", "50", "75", "200"),
        ("What is the currency of Japan?", "yen", "euro", "dollar", "peso"),
    ),
    "zh": (
        ("会汪汪叫的是什么动物？", "狗", "猫", "牛", "鸭"),
        ("蜜蜂酿什么？", "蜂蜜", "牛奶", "羊毛", "纸"),
        ("草是什么颜色的？", "绿色", "红色", "蓝色", "紫色"),
        ("蜘蛛有几条腿？", "八条", "四条", "六条", "两条"),
        ("下面哪个是水果？", "苹果", "土豆", "白菜", "洋葱"),
        ("水结冻以后叫什么？", "冰", "烟", "沙", "油"),
        ("人用什么看东西？", "眼睛", "耳朵", "手", "脚"),
        ("哪个季节最冷？", "冬天", "夏天", "春天", "秋天"),
        ("一个星期有几天？", "七天", "五天", "十天", "三天"),
        ("二加三等于几？", "五", "四", "六", "九"),
        ("云里会落下什么？", "雨", "树叶", "石头", "钱"),
        ("下面哪种动物会飞？", "老鹰", "鲸鱼", "蛇", "兔子"),
        ("磁铁能吸住哪种金属？", "铁", "金", "银", "铅"),
        ("中国的首都是哪里？", "北京", "上海", "广州", "成都"),
        ("哪个器官推动血液流动？", "心脏", "肺", "胃", "皮肤"),
        ("三月之后是几月？", "四月", "五月", "二月", "六月"),
        ("太阳系里最大的行星是哪个？", "木星", "地球", "火星", "水星"),
        ("三角形有几条边？", "三条", "四条", "五条", "六条"),
        ("《红楼梦》的作者是谁？", "曹雪芹", "吴承恩", "罗贯中", "施耐庵"),
        ("金的化学符号是什么？", "Au", "Ag", "Fe", "Pb"),
        ("一天有多少小时？", "二十四", "十二", "六十", "三十"),
        ("肯尼亚在哪个洲？", "非洲", "亚洲", "欧洲", "大洋洲"),
        ("温度计用来量什么？", "温度", "重量", "距离", "时间"),
        ("日本的货币叫什么？", "日元", "欧元", "美元", "英镑"),
    ),
}
