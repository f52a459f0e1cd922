"""Words that can stand for one another without changing what is said: small lists of our own, for attacks by substitution.

Each line is one group, in one part of speech and one form. Lists are written by hand because the usual source, words that
stand among the same neighbours, gives antonyms: "good" and "bad" are near neighbours, and an attack that swaps them proves
nothing (Morris et al. 2020, 2004.14174). Words of several meanings are left out. A short list makes an
attack weaker, so that its success is a lower bound. Anybody may use them for anything (CC0).
"""

from __future__ import annotations

from typing import Literal

_ENGLISH = """
film movie picture
films movies pictures
actor performer
actors performers
director filmmaker
directors filmmakers
story tale narrative
stories tales
plot storyline
viewer spectator
viewers spectators
audience public
beginning start opening
ending finish conclusion
children kids
child kid
woman lady
women ladies
man fellow
people folks persons
comedy farce
joke gag
jokes gags
scene sequence
scenes sequences
moment instant
moments instants
topic subject theme
topics subjects themes
idea notion concept
ideas notions concepts
job task
hotel inn
meal dish
room chamber
shop store
staff personnel
customer client guest
customers clients guests
trip journey
journey voyage
error mistake
errors mistakes
answer reply
beautiful lovely gorgeous
great superb excellent terrific
wonderful marvelous marvellous
brilliant dazzling
amazing astonishing astounding
enjoyable pleasant pleasurable
funny amusing comical
hilarious uproarious
entertaining diverting
charming delightful enchanting
touching moving affecting
powerful forceful mighty
compelling gripping riveting absorbing
fascinating intriguing
clever smart ingenious
perfect flawless faultless
fine decent
honest sincere
warm heartfelt
bad poor lousy
terrible dreadful awful horrible
boring dull tedious tiresome
stupid foolish silly
predictable foreseeable
pointless senseless
ridiculous ludicrous absurd
annoying irritating
disappointing underwhelming
weak feeble
ugly unsightly
lifeless listless
bland insipid
clumsy awkward
messy untidy
shallow superficial
slow sluggish
empty hollow
sad sorrowful
angry furious
big large
huge enormous immense
tiny minuscule
quick fast rapid
strange odd weird peculiar
familiar known
easy simple
entire whole
main chief principal
modern contemporary
old aged
rich wealthy
scary frightening
serious earnest
usual customary
violent brutal
important significant
really truly genuinely
extremely exceedingly
completely totally entirely utterly
almost nearly
often frequently
rarely seldom
quickly rapidly swiftly
usually generally normally
mostly mainly largely
maybe perhaps
certainly surely
obviously evidently clearly
probably likely
finally eventually
suddenly abruptly
especially particularly
showed displayed
begins starts
began started
finish end
finishes ends
finished ended
need require
needs requires
try attempt
tries attempts
tried attempted
help assist
buy purchase
bought purchased
seem appear
seems appears
seemed appeared
watch view
watching viewing
watched viewed
laugh chuckle
laughs chuckles
enjoy relish
enjoys relishes
enjoyed relished
hate loathe detest
hates loathes detests
hated loathed detested
loved adored
recommend commend
avoid shun
ruin spoil
ruins spoils
ruined spoiled
stay remain
stays remains
ask inquire
happen occur
happens occurs
happened occurred
manage contrive
manages contrives
although though
while whilst
"""
_CHINESE = """
电影 影片 片子
演员 演艺人员
故事 情节
酒店 宾馆 旅馆
房间 客房 屋子
服务员 工作人员 店员
早餐 早饭
晚餐 晚饭
价格 价钱 售价
质量 品质
电脑 计算机
书 书籍 图书
作者 作家
问题 毛病
朋友 友人
孩子 小孩 儿童
妈妈 母亲
爸爸 父亲
时候 时间
地方 场所
喜欢 喜爱 钟爱
讨厌 厌恶
满意 称心
失望 失落
推荐 推介 举荐
购买 购置 选购
买 购
使用 运用
觉得 感觉 认为
知道 晓得
告诉 告知
开始 起初
结束 终了
漂亮 美观 好看
干净 清洁 洁净
整洁 整齐
舒服 舒适 惬意
安静 宁静 清静
方便 便利 便捷
便宜 廉价 实惠
昂贵 高价
精彩 出彩
优秀 出色 杰出
无聊 乏味 枯燥
糟糕 差劲 恶劣
差 劣
脏 肮脏
吵 嘈杂 喧闹
旧 陈旧
破 破旧
慢 缓慢
快 迅速
非常 十分 特别 极其
很 挺
太 过于
有点 有些 稍微
比较 相对 较为
一般 普通
简直 几乎
可能 也许 或许
当然 自然
但是 可是 不过 然而
因为 由于
所以 因此 因而
如果 假如 要是
虽然 尽管
而且 并且
"""


def _table(groups: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in groups.split("\n"):
        words = line.split()
        for word in words:
            others = (*found.get(word, ()), *(other for other in words if other != word))
            found[word] = tuple(dict.fromkeys(others))
    return found


SUBSTITUTES: dict[Literal["en", "zh"], dict[str, tuple[str, ...]]] = {"en": _table(_ENGLISH), "zh": _table(_CHINESE)}


def substitutes_of(word: str, language: Literal["en", "zh"]) -> list[str]:
    """What can stand for it, written as it is written: with a capital, or all in capitals."""
    found = SUBSTITUTES[language].get(word.casefold(), ())
    if word.isupper() and len(word) > 1:
        return [other.upper() for other in found]
    return [other.capitalize() for other in found] if word[:1].isupper() else list(found)
