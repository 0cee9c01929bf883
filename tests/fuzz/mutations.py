"""Mutations of values, texts and bytes. Each is drawn from a ``random.Random``, so a seed repeats it."""

from __future__ import annotations

import copy
import math
import random
import re
from collections.abc import Callable, MutableMapping, MutableSequence, Sequence
from typing import Any, Final

TEXTS: Final = (
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "a\nb",
    "\x00",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\ufeff",
    "\u200b",
    "\u2028",
    "\u202e",
    "\u0301",
    "e\u0301",
    "\u00e9",
    "\U0001f600",
    "\U0010ffff",
    "\ufffe",
    "\u0661\u0662\u0663",
    "\u00b2",
    "\uff11\uff12",
    "\u0130",
    "\u00df",
    "null",
    "NULL",
    "None",
    "nan",
    "\\N",
    "undefined",
    "[object Object]",
    "true",
    "yes",
    "no",
    "on",
    "0",
    "-0",
    "007",
    "1_000",
    "0x10",
    "0o17",
    "1e5",
    "1e400",
    "-1e400",
    "1e-400",
    "12345678901234567890123",
    "1.0",
    "1.",
    ".5",
    "+5",
    "1,5",
    "--1",
    "inf",
    "-inf",
    "NaN",
    "1" * 400,
    "9" * 5000,
    "2026-11-30",
    "2026-13-45",
    "2026-02-29",
    "0000-00-00",
    "0001-01-01",
    "9999-12-31",
    "10000-01-01",
    "2026-11-30T08:15:00Z",
    "2026-11-30T23:59:60Z",
    "2026-11-30T24:00:00Z",
    "9999-12-31T23:59:59.999999-14:00",
    "0001-01-01T00:00:00+14:00",
    "2026-11-30T08:15:00+99:99",
    "20261130",
    "1e10",
    "[a, b]",
    '["a", "b"]',
    "['a', 'b']",
    "[",
    "[]",
    "{}",
    '{"endpoint": 1}',
    "a;b",
    "a|b",
    "a,b",
    '"',
    "'",
    '="00123"',
    "=cmd()",
    "..",
    "../..",
    "/",
    "a/b",
    "a\\b",
    "~",
    "*",
    "**",
    "?",
    "[!a]",
    "-",
    "--help",
    "$HOME",
    "${{ secrets.KEY }}",
    "{date}",
    "%s",
    "{0}",
    "<script>alert(1)</script>",
    "]]>",
    "user:",
    "user:a",
    "device:a",
    "UserAttributes/loyalty",
    "MessageSend/it",
    "x" * 300,
    "y" * 5000,
    "\u0301" * 500,
)
NUMBERS: Final = (
    0,
    1,
    -1,
    2,
    10,
    127,
    255,
    65536,
    2**31 - 1,
    2**31,
    2**32,
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**30,
    10**400,
    0.5,
    -0.0,
    0.1,
    1e15,
    1e16,
    1.5e300,
    1e308,
    5e-324,
    math.nan,
    math.inf,
    -math.inf,
    1_700_000_000,
    1_700_000_000_000,
    253_402_300_800,
    -62_135_596_801,
)
OTHERS: Final = (None, True, False)
BYTES: Final = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x80",
    b"\xc3",
    b"\xe9",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"\n",
    b"\r",
    b"\r\n",
    b"\t",
    b'"',
    b"'",
    b",",
    b";",
    b"|",
    b":",
    b"{",
    b"}",
    b"[",
    b"]",
    b"&a",
    b"*a",
    b"!!",
    b"%",
    b"#",
    b"---\n",
    b"...\n",
    b"<<: ",
    b"\x1a",
    b"\x1f\x8b",
    b"PK\x03\x04",
    b"PAR1",
    b"SQLite format 3\x00",
    b"\x28\xb5\x2f\xfd",
)
_MANY: Final = 200  # times that a nesting or a repetition may be done
_TOKEN: Final = re.compile(r"\w+|[^\w\s]|\s+")


def scalar(draw: random.Random, words: Sequence[Any] = ()) -> Any:
    """Return one odd value, or one of *words*, which mean something where it will be put."""
    if words and draw.random() < 0.4:
        return draw.choice(words)
    pool = draw.choice([TEXTS, TEXTS, NUMBERS, OTHERS])
    return draw.choice(pool)


def value(draw: random.Random, words: Sequence[Any] = (), depth: int = 0) -> Any:
    """Return a scalar, a list or a mapping."""
    kind = draw.random()
    if depth > 2 or kind < 0.6:
        return scalar(draw, words)
    parts = [value(draw, words, depth + 1) for _ in range(draw.choice([0, 1, 2, 3]))]
    if kind < 0.75:
        return parts
    return {str(scalar(draw, words)): part for part in parts}


def mutated_tree(draw: random.Random, tree: Any, words: Sequence[Any] = (), times: int = 0) -> Any:
    """Return a copy of *tree*, lists, mappings and scalars, with one or a few parts changed."""
    holder = [copy.deepcopy(tree)]
    for _ in range(times or draw.choice([1, 1, 1, 2, 3, 6])):
        places = list(_places(holder))
        container, key = draw.choice(places)
        draw.choice(_TREE_MUTATIONS)(draw, container, key, words, places)
    return holder[0]


_Places = list[tuple[Any, Any]]


def _places(container: Any) -> _Places:
    found: _Places = []
    pending = [container]
    while pending and len(found) < 5000:
        current = pending.pop()
        keys = range(len(current)) if isinstance(current, MutableSequence) else list(current)
        for key in keys:
            found.append((current, key))
            if isinstance(current[key], MutableMapping | MutableSequence):
                pending.append(current[key])
    return found


def _replace(draw: random.Random, container: Any, key: Any, words: Sequence[Any], _places: _Places) -> None:
    container[key] = value(draw, words)


def _remove(_draw: random.Random, container: Any, key: Any, _words: Sequence[Any], places: _Places) -> None:
    if len(places) > 1 and container is not places[0][0]:
        del container[key]


def _rename(draw: random.Random, container: Any, key: Any, words: Sequence[Any], places: _Places) -> None:
    if isinstance(container, MutableMapping):
        names = [name for other, name in places if isinstance(other, MutableMapping)]
        new = draw.choice(names) if draw.random() < 0.5 else str(scalar(draw, words))
        moved = container.pop(key)
        container[new] = moved


def _move(draw: random.Random, container: Any, key: Any, _words: Sequence[Any], places: _Places) -> None:
    """Put a copy of one part in the place of another."""
    other, name = draw.choice(places)
    container[key] = copy.deepcopy(other[name])


def _swap(draw: random.Random, container: Any, key: Any, _words: Sequence[Any], places: _Places) -> None:
    other, name = draw.choice(places)
    one, two = copy.deepcopy(container[key]), copy.deepcopy(other[name])
    container[key], other[name] = two, one


def _wrap(draw: random.Random, container: Any, key: Any, words: Sequence[Any], _places: _Places) -> None:
    inner = container[key]
    for _ in range(draw.choice([1, 1, 2, 70])):
        inner = [inner] if draw.random() < 0.5 else {str(scalar(draw, words)): inner}
    container[key] = inner


def _add(draw: random.Random, container: Any, key: Any, words: Sequence[Any], _places: _Places) -> None:
    inner = container[key]
    if isinstance(inner, MutableMapping):
        inner[str(scalar(draw, words))] = value(draw, words)
    elif isinstance(inner, MutableSequence):
        inner.insert(draw.randrange(len(inner) + 1), value(draw, words))
    else:
        container[key] = [inner, value(draw, words)]


def _repeat(draw: random.Random, container: Any, key: Any, _words: Sequence[Any], _places: _Places) -> None:
    if isinstance(container, MutableSequence):
        times = draw.choice([1, 1, 2, 50])
        if len(container) < 1000:
            container[key:key] = [copy.deepcopy(container[key]) for _ in range(times)]
    elif isinstance(container[key], str):
        container[key] = container[key] * draw.choice([2, 3, _MANY])


def _retype(draw: random.Random, container: Any, key: Any, _words: Sequence[Any], _places: _Places) -> None:
    match container[key]:
        case str(text):
            container[key] = draw.choice(
                [text.upper(), text + " ", f" {text}", text[::-1], _number_of(text), list(text)[:20]]
            )
        case bool(flag):
            container[key] = draw.choice([str(flag), int(flag)])
        case int() | float() as number:
            container[key] = draw.choice([str(number), -number, [number], bool(number)])
        case other:
            container[key] = str(other)[:2000]


def _spoil(draw: random.Random, container: Any, key: Any, _words: Sequence[Any], _places: _Places) -> None:
    """Put an odd text into a text."""
    if isinstance(container[key], str):
        text = container[key]
        at = draw.randrange(len(text) + 1)
        container[key] = text[:at] + draw.choice(TEXTS) + text[at + draw.choice([0, 1]) :]
    else:
        container[key] = draw.choice(TEXTS)


_TREE_MUTATIONS: Final = (
    _replace,
    _replace,
    _remove,
    _rename,
    _move,
    _swap,
    _wrap,
    _add,
    _repeat,
    _retype,
    _spoil,
)


def _number_of(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return len(text)


def mutated_text(draw: random.Random, text: str, words: Sequence[Any] = ()) -> str:
    """Return *text* with tokens or lines changed, moved, repeated or left out."""
    for _ in range(draw.choice([1, 1, 2, 4])):
        text = draw.choice(_TEXT_MUTATIONS)(draw, text, words)
    return text


def _token_replaced(draw: random.Random, text: str, words: Sequence[Any]) -> str:
    tokens = _TOKEN.findall(text)
    if tokens:
        at = draw.randrange(len(tokens))
        tokens[at] = draw.choice(["", str(scalar(draw, words)), draw.choice(tokens), tokens[at] * 2])
    return "".join(tokens)


def _tokens_swapped(draw: random.Random, text: str, _words: Sequence[Any]) -> str:
    tokens = _TOKEN.findall(text)
    if tokens:
        one, two = draw.randrange(len(tokens)), draw.randrange(len(tokens))
        tokens[one], tokens[two] = tokens[two], tokens[one]
    return "".join(tokens)


def _line_changed(draw: random.Random, text: str, words: Sequence[Any]) -> str:
    lines = text.splitlines(keepends=True) or [""]
    at = draw.randrange(len(lines))
    match draw.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(draw.randrange(len(lines) + 1), lines[at])
        case 2:
            lines[at] = " " * draw.choice([1, 2, 40]) + lines[at]
        case 3:
            lines[at] = lines[at].lstrip()
        case 4:
            lines[at] = lines[at] * draw.choice([2, 10, _MANY])
        case _:
            lines.insert(at, f"{scalar(draw, words)}\n")
    return "".join(lines)


def _cut(draw: random.Random, text: str, _words: Sequence[Any]) -> str:
    return text[: draw.randrange(len(text) + 1)]


def _inserted(draw: random.Random, text: str, words: Sequence[Any]) -> str:
    at = draw.randrange(len(text) + 1)
    return text[:at] + str(scalar(draw, words)) + text[at:]


_TEXT_MUTATIONS: Final[tuple[Callable[[random.Random, str, Sequence[Any]], str], ...]] = (
    _token_replaced,
    _token_replaced,
    _tokens_swapped,
    _line_changed,
    _cut,
    _inserted,
)


def encoded(draw: random.Random, text: str) -> bytes:
    """Return *text* as UTF-8, or sometimes in another encoding or with other ends of lines."""
    match draw.randrange(16):
        case 0:
            return text.encode("utf-16", "surrogatepass")
        case 1:
            return text.encode("latin-1", "replace")
        case 2:
            return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
        case 3:
            return text.replace("\n", "\r\n").encode("utf-8", "surrogatepass")
        case 4:
            return text.replace("\n", "\r").encode("utf-8", "surrogatepass")
        case 5:
            return text.encode("cp1252", "replace")
        case 6:
            return text.encode("utf-32", "surrogatepass")
        case _:
            return text.encode("utf-8", "surrogatepass")


def mutated_bytes(draw: random.Random, content: bytes) -> bytes:
    """Return *content* with bytes flipped, replaced, moved, repeated or left out."""
    changed = bytearray(content or b"\x00")
    for _ in range(draw.choice([1, 1, 2, 8])):
        at = draw.randrange(len(changed)) if changed else 0
        length = draw.choice([1, 2, 4, 16, 512, 4096])
        match draw.randrange(8):
            case 0 | 1 if changed:
                changed[at] ^= 1 << draw.randrange(8)
            case 2:
                changed[at:at] = draw.choice(BYTES)
            case 3:
                changed[at : at + 1] = draw.choice(BYTES)
            case 4:
                source = draw.randrange(len(changed)) if changed else 0
                changed[at : at + length] = changed[source : source + length]
            case 5:
                del changed[at : at + length]
            case 6:
                del changed[at:]
            case _:
                changed[at : at + length] = draw.randbytes(min(length, 16))
    return bytes(changed)
