"""Programs in Jinja's language, of whoever made a model, run here within limits.

They run in Jinja's sandbox, with the functions and filters that Hugging Face's chat templates use and no others:

    nothing outside    no files, no imports, no attribute that begins with "_", no method that changes a value
    _LONGEST           characters of the template itself
    _TEXT              characters and items of lists that all its steps together may make, and 32 times its input's
    _SECONDS           for all of it; asked at every pass of a loop, every call and every filter
    Jinja's range      100,000 numbers

Every loop, literal, `~` and slice of a template is rewritten to ask first, operators and methods that repeat text ask too,
and those that cannot be asked (`center`, `format`, `%` of texts, `sort`, …) are not there. What stays unlimited is the
time of one single step, such as searching one long text in another.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from jinja2 import Template, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.filters import make_attrgetter
from jinja2.parser import Parser
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

_LONGEST = 256 * 1024
_TEXT = 32_000_000
_SECONDS = 10.0

_METHODS = (  # of texts, numbers, lists and dictionaries
    "capitalize count endswith find get index isalnum isalpha isdecimal isdigit islower isnumeric isspace istitle isupper "
    "items join keys lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit rstrip split "
    "splitlines startswith strip swapcase title upper values"
)
_TEXT_FILTERS = "capitalize e escape join lower replace safe string title trim upper"
_FILTERS = (
    "abs count d default dictsort first float int items last length list map reject rejectattr reverse round select selectattr "
    "tojson"
)


class RefusedError(Exception):
    """The template called raise_exception."""


def render(template: str, given: Mapping[str, Any], worth: int) -> str:
    """What a template makes of its input.

    Args:
        given: the input, by name.
        worth: how many characters it holds.

    Raises:
        RefusedError: the template refuses the input.
        Exception: of any kind: whatever a template of somebody else's leads to.
    """
    return _Sandbox(_Budget(_TEXT + 32 * worth)).read(template).render(given)


class _Budget:
    """How much a template may still make, and until when."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.end = time.monotonic() + _SECONDS

    def spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise SecurityError("it makes too much text")
        if time.monotonic() > self.end:
            raise SecurityError(f"it takes longer than {_SECONDS:.0f} seconds")

    def spend_size(self, value: object) -> None:
        """Spends the length of a value."""
        self.spend(len(value) if isinstance(value, (str, list, tuple, Mapping)) else 1)

    def weigh(self, value: object) -> None:
        """Spends all that a value holds; a list that holds another one twice pays twice, as its text will."""
        open_values = [value]
        while open_values:
            value = open_values.pop()
            self.spend(1 + (len(value) if isinstance(value, str) else 0))
            if isinstance(value, Mapping):
                open_values.extend(value.keys())
                open_values.extend(value.values())
            elif isinstance(value, (list, tuple)):
                open_values.extend(value)


class _Watch(Extension):
    """What the rewritten template calls. Also the tag {% generation %}, which says what the assistant wrote."""

    tags = {"generation"}  # noqa: RUF012 (the base class has it so)
    environment: _Sandbox

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    def step(self, cost: int) -> bool:
        """Before each pass of a loop and each macro: the text that stands in it."""
        self.environment.budget.spend(1 + cost)
        return True

    def made(self, value: Any) -> Any:
        """A literal, or a slice."""
        self.environment.budget.weigh(value)
        return value

    def joined(self, *values: object) -> str:
        """The operator ~."""
        self.environment.budget.weigh(values)
        return "".join(map(str, values))


class _Rewrite(NodeTransformer):
    """Puts the calls to `_Watch` into a template."""

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch

    def _body(self, node: Any) -> Any:
        literal = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        step = self.watch.call_method("step", [nodes.Const(literal)])
        if isinstance(node, nodes.For) and node.test is not None:
            node.test = nodes.And(self.watch.call_method("step", [nodes.Const(0)]), node.test)
        node.body.insert(0, nodes.ExprStmt(step))
        return node

    def _made(self, node: Any) -> Any:
        self.generic_visit(node)
        if isinstance(node, nodes.Getitem) and not isinstance(node.arg, nodes.Slice):
            return node
        return node if getattr(node, "ctx", "load") != "load" else self.watch.call_method("made", [node])

    visit_For = visit_Macro = visit_CallBlock = visit_FilterBlock = visit_Block = _body  # noqa: N815
    visit_List = visit_Dict = visit_Tuple = visit_Getitem = _made  # noqa: N815

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return self.watch.call_method("joined", node.nodes)


class _Names(Namespace):
    """Jinja's `namespace`, closed to names with which Python itself would ask the object something."""

    def __init__(*args: Any, **values: Any) -> None:
        self, *given = args
        values = dict(*given, **values)
        if any(str(name).startswith("_") for name in values):
            raise SecurityError("it names an attribute that begins with _")
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError("it names an attribute that begins with _")
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<Namespace>"


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with Hugging Face's functions, and a budget."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, budget: _Budget) -> None:
        self.budget = budget
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Watch, loopcontrols], finalize=_output, optimized=False
        )
        watch = self.extensions[_Watch.identifier]
        assert isinstance(watch, _Watch)
        self.watch = watch
        known = self.filters | {"tojson": self._to_json, "replace": self._replace, "join": self._join}
        self.filters = {name: self._asking(known[name], of_text=True) for name in _TEXT_FILTERS.split()}
        self.filters |= {name: self._asking(known[name], of_text=False) for name in _FILTERS.split()}
        self.globals = {
            "range": self.globals["range"],
            "dict": lambda *args, **values: watch.made(dict(*args, **values)),
            "namespace": _Names,
            "raise_exception": _refuse,
            "strftime_now": lambda form: datetime.now().strftime(form),
        }

    def read(self, template: str) -> Template:
        if len(template) > _LONGEST:
            raise SecurityError(f"it is {len(template):,} characters long, more than {_LONGEST:,}")
        return self.from_string(_Rewrite(self.watch).visit(self.parse(template)))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if callable(value) and isinstance(obj, (str, bytes, int, float, list, tuple, Mapping)) and attr not in _METHODS.split():
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """No str.format: it is an attribute like others, and not a safe one."""

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        raise SecurityError(f"it reaches for {attribute!r} of a value of type {type(obj).__name__}")

    def call(__self, __context: Context, __obj: Any, *args: Any, **values: Any) -> Any:  # noqa: N805
        __self.budget.spend(1)
        owner, name = getattr(__obj, "__self__", None), getattr(__obj, "__name__", "")
        if isinstance(owner, _Watch):
            return __obj(*args)
        if isinstance(owner, str) and name in ("replace", "join"):
            return __self._replace(owner, *args) if name == "replace" else __self._join(args[0], owner)
        result = super().call(__context, __obj, *args, **values)
        __self.budget.spend_size(result)
        return result

    def call_filter(self, *args: Any, **values: Any) -> Any:
        self.budget.spend(1)
        return super().call_filter(*args, **values)

    def call_test(self, *args: Any, **values: Any) -> Any:
        self.budget.spend(1)
        return super().call_test(*args, **values)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "%" and isinstance(left, (str, bytes)):
            raise SecurityError("it formats text with %")
        if operator == "**" and not (isinstance(right, (int, float)) and abs(right) <= 64):
            raise SecurityError("it raises to a power above 64")
        if operator == "*":
            for part, times in ((left, right), (right, left)):
                if isinstance(part, (str, list, tuple)) and isinstance(times, int):
                    self.budget.spend(len(part) * max(times, 0))
        result = super().call_binop(context, operator, left, right)
        if isinstance(result, int) and result.bit_length() > 4096:
            raise SecurityError("it computes a number of more than 4,096 bits")
        self.budget.spend_size(result)
        return result

    def _asking(self, function: Callable[..., Any], *, of_text: bool) -> Callable[..., Any]:
        @functools.wraps(function)
        def asking(*args: Any, **values: Any) -> Any:
            if of_text:
                self.budget.weigh(args)
            result = function(*args, **values)
            self.budget.spend_size(result)
            return result

        return asking

    def _replace(self, text: Any, old: Any, new: Any, count: int | None = None) -> str:
        text, old, new = str(text), str(old), str(new)
        found = text.count(old) if count is None or count < 0 else min(count, text.count(old))
        self.budget.spend(len(text) + found * len(new))
        return str(text.replace(old, new, found))

    def _join(self, values: Iterable[Any], between: Any = "", attribute: str | int | None = None) -> str:
        pieces = []
        for value in values if attribute is None else map(make_attrgetter(self, attribute), values):
            self.budget.weigh(value)
            self.budget.spend(len(str(between)))
            pieces.append(str(value))
        return str(between).join(pieces)

    def _to_json(
        self,
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        if not (indent is None or (isinstance(indent, int) and indent <= 64)):
            raise SecurityError(f"it indents JSON by {indent!r}")
        encoder = json.JSONEncoder(ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
        pieces = []
        for piece in encoder.iterencode(value):
            self.budget.spend(len(piece))
            pieces.append(piece)
        return "".join(pieces)


@pass_context  # so that Jinja does not output constants while it compiles, which costs nothing
def _output(context: Context, value: Any) -> Any:
    """What a template writes."""
    environment = context.environment
    assert isinstance(environment, _Sandbox)
    environment.budget.weigh(value)
    return value


def _refuse(message: object) -> None:
    raise RefusedError(str(message))
