"""Messages become the prompt that a model was trained on, by the chat template that comes with its tokenizer.

A template is a program in Jinja's language, and comes from whoever made the model: it runs within limits (`sandbox.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from fathom.errors import DataError, ModelFolderError
from fathom.text.tokenizer import whole_text


class Message(TypedDict):
    """What one side says."""

    role: str  # "system", "user", "assistant"; which ones there are is the template's choice
    content: str


def render_chat(
    template: str,
    messages: Sequence[Message],
    *,
    add_generation_prompt: bool = True,
    bos_token: str | None = None,
    eos_token: str | None = None,
    variables: Mapping[str, str | int | float | bool] | None = None,
) -> str:
    """The prompt for a conversation, as Hugging Face's `apply_chat_template` makes it.

    The text holds its special tokens spelled out, those at its beginning too: `Tokenizer.prompt_ids` turns it into ids. A
    message that spells a special token is not told apart from the template doing so.

    Args:
        template: `Tokenizer.chat_template`.
        messages: at least one, oldest first.
        add_generation_prompt: end with what comes before the assistant's next answer.
        bos_token: and `eos_token`, as the vocabulary spells them; left out where None.
        variables: further names that the template knows, such as enable_thinking. There are no tools and no documents.

    Raises:
        DataError: messages of another form, or that the template itself refuses (by `raise_exception`).
        ModelFolderError: a template that is not Jinja, reaches for what it must not have, or goes beyond a limit.
    """
    from jinja2 import TemplateSyntaxError  # here, so that only a chat waits for Jinja

    from fathom.text.sandbox import RefusedError, render

    checked = [_checked(message, number) for number, message in enumerate(messages, start=1)]
    if not checked:
        raise DataError("there are no messages", expected="at least one")
    given: dict[str, Any] = {**(variables or {}), "messages": checked, "tools": None, "documents": None}
    given |= {name: token for name, token in (("bos_token", bos_token), ("eos_token", eos_token)) if token is not None}
    given["add_generation_prompt"] = add_generation_prompt
    size = sum(len(message["content"]) for message in checked)
    try:
        return render(template, given, worth=size)
    except RefusedError as error:
        raise DataError(
            f"the model's chat template refuses these messages: {error}", expected="messages as the model was trained on"
        ) from error
    except Exception as error:  # whatever a template of somebody else's leads to is an error in it
        line = f" (line {error.lineno})" if isinstance(error, TemplateSyntaxError) else ""
        raise ModelFolderError(
            f"the model's chat template cannot be used: {str(error) or type(error).__name__}{line}",
            expected="a template in Jinja's language, as Hugging Face's library runs it",
            do="check where the model comes from, or write the prompt yourself",
        ) from error


def _checked(message: Message, number: int) -> Message:
    if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
        raise DataError(f"message {number} is {message!r}"[:200], expected='{"role": …, "content": …}')
    for part, text in message.items():
        if not isinstance(text, str):
            raise DataError(f"the {part} of message {number} is {text!r}"[:200], expected="a text")
    return Message(role=whole_text(message["role"]), content=whole_text(message["content"]))
