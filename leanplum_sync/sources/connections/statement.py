"""The text of a query: one statement, with named parameters such as ``:since``, which are bound as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

# What may hold a semicolon or a colon that means nothing: strings, quoted names, dollar quotes, comments and casts.
_TOKEN: Final = re.compile(
    r"""
      (?P<escaped>(?<![\w$])[eE]'(?:[^'\\]|\\.|'')*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<name>"(?:[^"]|"")*")
    | (?P<dollar>(?<![\w$])\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$)
    | (?P<line>--[^\n]*)
    | (?P<block>/\*)
    | (?P<cast>::)
    | (?P<parameter>(?<![\w:\])])\:[A-Za-z_]\w*)
    | (?P<end>;)
    | (?P<open>['"])
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")


class StatementError(ValueError):
    """The text is not one statement. *line* and *column* count from 1; *message* and *hint* hold no text of the query."""

    def __init__(self, text: str, offset: int, message: str, hint: str) -> None:
        before = text[:offset]
        self.line, self.column = before.count("\n") + 1, offset - before.rfind("\n")
        self.message, self.hint = message, hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Statement:
    """
    A statement cut at its parameters: ``pieces[0] names[0] pieces[1] ... pieces[-1]``.

    A name that occurs twice is in *names* twice.
    """

    pieces: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return each name once, in the order in which they first occur."""
        return tuple(dict.fromkeys(self.names))

    def with_marks(self, mark: Callable[[str], str], text: Callable[[str], str] = str) -> str:
        """Return the statement with ``mark(name)`` for each parameter, and ``text(piece)`` for what is between them."""
        marks = [mark(name) for name in self.names]
        return "".join(
            part for pair in zip(map(text, self.pieces), [*marks, ""], strict=True) for part in pair
        )


def parse(text: str) -> Statement:
    """
    Return the one statement in *text*, without the semicolon that ends it.

    Raises:
        StatementError: there is none, there are several, or a string or comment doesn't end.
    """
    pieces: list[str] = []
    names: list[str] = []
    start, end, has_content = 0, len(text), False
    for token in _tokens(text):
        if end < len(text):
            raise StatementError(
                text, token.start, "there is a second statement", "A query must be a single statement."
            )
        if token.kind == "end":
            end = token.start
            continue
        has_content = True
        if token.kind == "parameter":
            pieces.append(text[start : token.start])
            names.append(text[token.start + 1 : token.end])
            start = token.end
    if not has_content:
        raise StatementError(text, 0, "the query is empty", "Write a SELECT.")
    return Statement((*pieces, text[start:end]), tuple(names))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    start: int
    end: int


def _tokens(text: str) -> Iterator[_Token]:
    """Yield what is neither blank nor a comment: strings, quoted names and parameters whole, the rest character by character."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        kind = "" if match is None else match.lastgroup or ""
        start, at = at, at + 1 if match is None else match.end()
        if kind == "open":
            raise StatementError(text, start, "a quote is not closed", "Close it.")
        if kind == "block":
            at = _end_of_comment(text, start)
        elif kind != "line" and not text[start].isspace():
            yield _Token(kind, start, at)


def _end_of_comment(text: str, start: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, start):
        depth += 1 if edge[0] == "/*" else -1
        if depth == 0:
            return edge.end()
    raise StatementError(text, start, "a comment is not closed", "Close it with */.")
