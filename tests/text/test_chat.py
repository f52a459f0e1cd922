"""A chat template gives the prompt that `transformers` gives, and a hostile one gives an error, soon and in little memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

from fathom.checkpoint import resolve_model
from fathom.checkpoint.gguf import read_gguf
from fathom.errors import DataError, ModelFolderError
from fathom.text import Message, Tokenizer, render_chat, sandbox, train_bpe
from tests import tiny

# A system prompt of its own where none is given.
CHATML = """
{%- if not messages or messages[0].role != 'system' %}
    {{- '<|im_start|>system\nBe brief.<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' ~ message.role ~ '\n' ~ message.content | trim ~ '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
"""

# The system's words go into the first turn, roles have to alternate.
LLAMA_2 = """
{%- if messages[0]['role'] == 'system' -%}
    {%- set rest = messages[1:] -%}
    {%- set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' -%}
{%- else -%}
    {%- set rest, system = messages, '' -%}
{%- endif -%}
{%- for message in rest -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception('After the system, user and assistant take turns.') }}
    {%- endif -%}
    {%- if message['role'] == 'user' -%}
        {{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'].strip() + ' [/INST]' }}
    {%- elif message['role'] == 'assistant' -%}
        {{ ' ' + message['content'].strip() + ' ' + eos_token }}
    {%- endif -%}
{%- endfor -%}
"""

# Headers, a date, tools that are not there.
LLAMA_3 = """
{{- bos_token }}
{%- if date is not defined %}{% set date = strftime_now('%Y') %}{% endif %}
{%- set names = namespace(seen=[], last=none) %}
{%- if tools is not none and tools %}
Tools: {% for tool in tools %}{{ tool | tojson(indent=4) }}{% endfor %}
{%- endif %}
{% for message in messages if message.role in ['system', 'user', 'assistant'] %}
    {%- set names.seen = names.seen + [message.role] %}
    {%- set names.last = loop.index %}
<|start_header_id|>{{ message.role }}<|end_header_id|>

{{ message.content }}<|eot_id|>
    {%- if not loop.last %}

    {%- endif %}
{% endfor %}
({{ date }}: {{ names.seen | join(', ') }}; {{ names.last }} of {{ messages | length }})
{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}
"""

# What was thought is cut out of all but the last answer; loops are left early; macros.
THINKING = """
{%- macro turn(role, content) -%}
<|{{ role }}|>
{{ content }}</s>
{% endmacro %}
{%- set ns = namespace(last=messages | length - 1, found=false) %}
{%- for message in messages[::-1] %}
    {%- if message.role == 'user' %}
        {%- set ns.last = messages | length - loop.index %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if not message.content %}{% continue %}{% endif %}
    {%- set content = message.content %}
    {%- if message.role == 'assistant' and '</think>' in content and loop.index0 < ns.last %}
        {%- set content = content.split('</think>')[-1].lstrip('\n') %}
    {%- endif %}
    {%- if message.role == 'assistant' %}{% generation %}{{ turn(message.role, content) }}{% endgeneration %}
    {%- else %}{{ turn(message.role, content) }}{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|assistant|>\n' }}
    {%- if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}
{%- endif %}
"""

# Everything quoted, and what Jinja and Python can do with a text.
FILTERS = """
{%- for message in messages | rejectattr('role', 'equalto', 'system') -%}
{{ message | tojson }} {{ message.content | upper | replace('A', '<>') | e }} {{ message.content.title().split()[:2] | list }}
{{ {'a': [1, 2.5, none, true], 'b': (message.role,)} | tojson(indent=2) }} {{ message.items() | list | length }}
{{ '-' * 3 }}{{ 2 ** 5 }}{{ 7 % 4 }}{{ [1] * 2 }} {{ messages | map(attribute='role') | join("/") }}
{{ dict(x=1) | dictsort }} {{ message.get("name", "nobody") }}
{{ undefined_name }}{{ 3 | string ~ 4 }} {{ loop.previtem.role if loop.previtem is defined }}
{%- endfor -%}
"""
STYLES = {"chatml": CHATML, "llama-2": LLAMA_2, "llama-3": LLAMA_3, "thinking": THINKING, "filters": FILTERS}

USER, ASSISTANT, SYSTEM = "user", "assistant", "system"
CONVERSATIONS: dict[str, list[Message]] = {
    "question": [{"role": USER, "content": "What is a fathom?"}],
    "system": [{"role": SYSTEM, "content": "Answer in rhymes."}, {"role": USER, "content": " Hello  "}],
    "turns": [
        {"role": USER, "content": "1 + 1 = ?\n"},
        {"role": ASSISTANT, "content": "<think>\none and one\n</think>\n\n2"},
        {"role": USER, "content": "今天天气很好 👍🏽 {{ 7 * 7 }} {% raw %} <|im_end|> <b>&amp;</b> 'quoted' \"twice\""},
    ],
    "answered": [{"role": USER, "content": "Hi"}, {"role": ASSISTANT, "content": ""}],
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> transformers.PreTrainedTokenizerBase:
    folder = tmp_path_factory.mktemp("tokenizer")
    train_bpe(["a b c"], vocab_size=300).save(folder)
    found: transformers.PreTrainedTokenizerBase = transformers.AutoTokenizer.from_pretrained(
        folder, bos_token="<s>", eos_token="</s>"
    )
    return found


@pytest.fixture(scope="module")
def smollm() -> str:
    template = read_gguf(resolve_model("smollm2")).chat_template
    assert template is not None
    return template


def ours(template: str, messages: list[Message], **options: Any) -> str:
    return render_chat(template, messages, bos_token="<s>", eos_token="</s>", **options)


@pytest.mark.parametrize("prompt", [True, False])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_chat_is_that_of_transformers(
    theirs: transformers.PreTrainedTokenizerBase, style: str, conversation: str, prompt: bool
) -> None:
    messages = CONVERSATIONS[conversation]
    wanted = theirs.apply_chat_template(
        messages, chat_template=STYLES[style], tokenize=False, add_generation_prompt=prompt, enable_thinking=False
    )
    assert wanted or style == "filters"
    assert ours(STYLES[style], messages, add_generation_prompt=prompt, variables={"enable_thinking": False}) == wanted


texts = st.text(max_size=30)
conversations = st.lists(
    st.builds(lambda role, content: Message(role=role, content=content), st.sampled_from([SYSTEM, USER, ASSISTANT]), texts),
    min_size=1,
    max_size=5,
)


@given(messages=conversations, prompt=st.booleans())
def test_chat_of_smollm_is_that_of_transformers(
    theirs: transformers.PreTrainedTokenizerBase, smollm: str, messages: list[Message], prompt: bool
) -> None:
    wanted = theirs.apply_chat_template(messages, chat_template=smollm, tokenize=False, add_generation_prompt=prompt)
    assert ours(smollm, messages, add_generation_prompt=prompt) == wanted


def test_chat_of_smollm_becomes_ids(smollm: str) -> None:
    tokenizer = read_gguf(resolve_model("smollm2")).tokenizer
    text = render_chat(smollm, [{"role": USER, "content": "Hi"}])
    ids = tokenizer.prompt_ids(text)
    assert ids.count(tokenizer.bos_id) == 3, "system, user and assistant begin"
    assert ids.count(tokenizer.eos_id) == 2
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_chat_tokens_that_a_model_has_not_are_left_out() -> None:
    assert render_chat("[{{ bos_token }}]", CONVERSATIONS["question"]) == "[]"


def test_chat_a_long_conversation_is_no_hostile_one() -> None:
    long = [Message(role=(USER, ASSISTANT)[number % 2], content="word " * 400) for number in range(1000)]
    for template in (CHATML, LLAMA_2, LLAMA_3, THINKING):
        assert len(ours(template, long)) > 1_900_000


# --- what is refused ---


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([], "there are no messages"),
        (["Hello"], "message 1 is 'Hello'"),
        ([{"role": USER}], "message 1 is"),
        ([{"role": USER, "content": "a"}, {"content": "b"}], "message 2 is"),
        ([{"role": USER, "content": "a", "tool_calls": []}], "message 1 is"),
        ([{"role": USER, "content": None}], "the content of message 1 is None"),
        ([{"role": 1, "content": "a"}], "the role of message 1 is 1"),
    ],
)
def test_chat_messages_of_another_form_are_refused(messages: Any, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        render_chat(CHATML, messages)


def test_chat_messages_that_the_template_refuses_are_the_users_error() -> None:
    with pytest.raises(DataError, match="refuses these messages: After the system, user and assistant take turns"):
        ours(LLAMA_2, [{"role": ASSISTANT, "content": "a"}])


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ ''.__class__ }}", "'__class__' of a value of type str"),
        ("{{ ''['__class__'] }}", "'__class__' of a value of type str"),
        ("{{ messages.__class__.__mro__[1].__subclasses__() }}", "'__class__' of a value of type list"),
        ("{{ ''['__cla' ~ 'ss__'] }}", "'__class__'"),
        ("{{ [''] | map(attribute='__class__') | list }}", "'__class__'"),
        ("{{ range.__globals__ }}", "'__globals__'"),
        ("{{ raise_exception.__globals__ }}", "'__globals__'"),
        ("{{ cycler('a').next() }}", "'cycler' is undefined"),
        ("{{ self.__init__ }}", "'__init__'"),
        ("{% for m in messages %}{{ loop.__init__ }}{% endfor %}", "'__init__'"),
        ("{% macro m() %}{% endmacro %}{{ m.__call__ }}", "'__call__'"),
        ("{{ namespace.__init__ }}", "'__init__'"),
        ("{{ namespace(__html__=range) }}", "begins with _"),
        ("{% set n = namespace() %}{% set n.__class__ = 1 %}", "begins with _"),
        ("{{ messages.append(1) }}", "'append' of a value of type list"),
        ("{{ messages[0].update(role=1) }}", "'update' of a value of type dict"),
        ("{{ '{0.__class__}'.format(1) }}", "'format' of a value of type str"),
        ("{{ (1).to_bytes(9, 'big') }}", "'to_bytes' of a value of type int"),
        ("{{ '' | attr('__class__') }}", "No filter named 'attr'"),
        ("{{ 'a' | center(9) }}", "No filter named 'center'"),
        ("{% include 'passwd' %}", "no loader"),
        ("{% import 'os' as os %}", "no loader"),
        ("{% for %}", r"line 1\)"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages.nothing.more }}", "no attribute 'nothing'"),
        ("{{ " + "(" * 5000 + ")" * 5000 + " }}", "cannot be used"),
        ("a" * 300_000, "300,000 characters long"),
    ],
)
def test_chat_template_that_reaches_outside_is_refused(template: str, reason: str) -> None:
    with pytest.raises(ModelFolderError, match=reason):
        render_chat(template, CONVERSATIONS["turns"])


LOOP = "{% for i in range(99999) %}"
HOSTILE = {
    "nested loops": f"{LOOP * 3}{'{% endfor %}' * 3}",
    "loops that write": f"{LOOP * 2}{'a' * 1000}{'{% endfor %}' * 2}",
    "loops that write what they find": f"{LOOP * 2}{{{{ 'a' * 1000 }}}}{'{% endfor %}' * 2}",
    "a filter of a loop": f"{LOOP}{{% for i in range(99999) if i < 0 %}}{{% endfor %}}{{% endfor %}}",
    "macros that call themselves": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(90) }}",
    "endless macros": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "macros that keep text": f"{{% macro m() %}}{LOOP * 2}{'a' * 1000}{'{% endfor %}' * 2}{{% endmacro %}}{{% set x = m() %}}",
    "blocks that keep text": f"{{% set x %}}{LOOP * 2}{'a' * 1000}{'{% endfor %}' * 2}{{% endset %}}",
    "a text many times": "{{ 'a' * 9999999999 }}",
    "a text very many times": "{{ 'a' * (10 ** 60) }}",
    "many times a list": "{{ (10 ** 10) * [1] }}",
    "doubling with +": "{% set n = namespace(x='aa') %}" + LOOP + "{% set n.x = n.x + n.x %}{% endfor %}",
    "doubling with ~": "{% set n = namespace(x='aa') %}" + LOOP + "{% set n.x = n.x ~ n.x %}{% endfor %}",
    "lists of lists": "{% set n = namespace(x=1) %}" + LOOP + "{% set n.x = [n.x, n.x] %}{% endfor %}",
    "lists of lists, written": "{% set x = [1, 1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "dictionaries of dictionaries": "{% set n = namespace(x=1) %}" + LOOP + "{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}",
    "namespaces of namespaces": "{% set n = namespace(x=1) %}"
    + LOOP
    + "{% set n.x = namespace(a=n.x, b=n.x) %}{% endfor %}{% for i in range(99999) %}{{ n.x ~ n.x }}{{ 1 / 0 }}{% endfor %}",
    "slices kept": "{% set n = namespace(x=[]) %}{% set a = 'a' * 9999999 %}"
    + LOOP
    + "{% set n.x = n.x + [a[i:]] %}{% endfor %}",
    "replacing": "{{ ('a' * 99999).replace('a', 'a' * 99999) }}",
    "replacing by filter": "{{ ('a' * 99999) | replace('a', 'a' * 99999) }}",
    "joining": "{{ ('b' * 99999).join(range(99999) | map('string')) }}",
    "joining by filter": "{{ range(99999) | join('b' * 99999) }}",
    "indenting": "{{ [[1]] | tojson(indent=9999999999) }}",
    "separators": "{{ range(99999) | list | tojson(separators=('a' * 99999, ':')) }}",
    "deep JSON": "{% set n = namespace(x=1) %}" + LOOP + "{% set n.x = [n.x] %}{% endfor %}{{ n.x | tojson(indent=64) }}",
    "formatting": "{{ '%9999999999d' % 1 }}",
    "powers": "{{ 9 ** (9 ** 9) }}",
    "powers of powers": "{{ (9 ** 60) ** 60 ** 1 }}{{ ((9 ** 60) ** 60) ** 60 }}",
    "a long range": "{{ range(9999999999) | list }}",
    "searching": "{% set a = 'a' * 9999999 %}" + LOOP * 2 + "{% if a ~ 'b' in a %}{% endif %}" + "{% endfor %}" * 2,
    "searching by test": "{% set a = 'a' * 9999999 %}{{ range(99999) | map('string') | select('in', a) | list }}" * 9,
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_chat_template_cannot_hang_or_fill_memory(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_SECONDS", 2.0)
    start = time.monotonic()
    tracemalloc.start()
    with pytest.raises(ModelFolderError):
        render_chat(HOSTILE[attack], CONVERSATIONS["question"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - start < 20
    assert peak < 400_000_000


# --- where a template is kept ---


def test_chat_template_is_kept_with_the_tokenizer(tmp_path: Path) -> None:
    tokenizer = train_bpe(["a b c"], vocab_size=300)
    assert tokenizer.chat_template is None
    tokenizer.save(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(CHATML, encoding="utf-8")
    loaded = Tokenizer.load(tmp_path)
    assert loaded.chat_template == CHATML
    again = tmp_path / "again"
    again.mkdir()
    loaded.save(again)
    assert Tokenizer.load(again).chat_template == CHATML
    assert transformers.AutoTokenizer.from_pretrained(again).chat_template == CHATML


def test_chat_template_of_several_is_the_default_one(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path)
    path = tmp_path / "tokenizer_config.json"
    several = [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": CHATML}]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": several}))
    assert Tokenizer.load(tmp_path).chat_template == CHATML


def test_chat_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff\xfe")
    with pytest.raises(ModelFolderError, match=r"chat_template\.jinja cannot be read"):
        Tokenizer.load(tmp_path)


def test_tokenizer_keeps_where_a_text_begins_and_ends(tmp_path: Path) -> None:
    tiny.tokenizer().save(tmp_path)
    assert (Tokenizer.load(tmp_path).bos_id, Tokenizer.load(tmp_path).eos_id) == (None, None), "nothing is guessed"
    path = tmp_path / "tokenizer_config.json"
    roles = {"bos_token": "[CLS]", "eos_token": {"content": "[SEP]", "special": True}}
    path.write_text(json.dumps(json.loads(path.read_text()) | roles))
    loaded = Tokenizer.load(tmp_path)
    assert (loaded.bos_id, loaded.eos_id) == (loaded.class_id, loaded.separator_id)
    loaded.save(tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert (theirs.bos_token, theirs.eos_token) == ("[CLS]", "[SEP]")
    assert Tokenizer.load(tmp_path).eos_id == loaded.eos_id
