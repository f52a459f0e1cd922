"""Text from token ids that come one after the other, as a model writes them.

A token can end inside a character (of a byte-level vocabulary, three of them may make one 好), and how a token is spelled
can depend on the one before it. So the tokens since the last whole character are read again with each new one, after a
few that are already out, and what is new and certain is given.
"""

from __future__ import annotations

from collections.abc import Iterable

from fathom.text.tokenizer import Tokenizer

_UNFINISHED = "\ufffd"  # what the bytes of a character that is not whole yet are read as


class TextStream:
    """Gives the text of ids piece by piece; together the pieces are what `Tokenizer.decode` gives for all ids.

    stream = TextStream(tokenizer)
    for token_id in generated:
        show(stream.push([token_id]))
    show(stream.end())
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._out: list[int] = []  # the last ids whose text is out; they say how the next ones are spelled
        self._held: list[int] = []  # ids after them
        self._given = 0  # characters of the text of `_out + _held` that are out

    def push(self, token_ids: Iterable[int]) -> str:
        """The text that is certain after these ids; "" while a character is not whole."""
        self._held.extend(token_ids)
        text = self._tokenizer.decode([*self._out, *self._held])
        whole = text.removesuffix(_UNFINISHED)
        piece = whole[self._given :]
        if piece and whole == text:
            self._out, self._held = self._held, []
            self._given = len(self._tokenizer.decode(self._out))
        else:
            self._given += len(piece)
        return piece

    def end(self) -> str:
        """What is left: the replacement character, if the ids end inside a character. The stream can begin anew."""
        piece = self._tokenizer.decode([*self._out, *self._held])[self._given :]
        self._out, self._held, self._given = [], [], 0
        return piece
