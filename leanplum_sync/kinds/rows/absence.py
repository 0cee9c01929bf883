"""Words that programs write where there is no value, and ids that a spreadsheet has changed."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Source: PostgreSQL's and MySQL's exports, pandas, Python, Go, JavaScript, and the error values of Excel.
WORDS: Final = (
    "NULL", "null", "Null", "(null)", "<null>", "\\N", "nil", "<nil>",
    "nan", "NaN", "NAN", "-nan", "NaT", "<NA>", "None", "none",
    "undefined", "[object Object]",
    "#N/A", "#N/A N/A", "N/A", "n/a", "#NULL!", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!",
)  # fmt: skip
_WORDS: Final = frozenset(WORDS)
LONGEST_ODD_ID: Final = 30
# Patterns for ids of at most LONGEST_ODD_ID characters, in a dialect that DuckDB understands too.
ROUNDED: Final = "[0-9]([.,][0-9]+)?[eE][+][0-9]+"
POINT_ZERO: Final = "[0-9]+[.]0"
_ODD_STARTS: Final = frozenset("=0123456789")
_ROUNDED: Final = re.compile(ROUNDED)
_POINT_ZERO: Final = re.compile(POINT_ZERO)
_INVISIBLE: Final = ("Cf", "Cc", "Zl", "Zp")  # categories of Unicode: format, control, separators of lines


def means_nothing(text: str) -> bool:
    return text in _WORDS


def id_fault(text: str, column: str) -> tuple[str, str] | None:
    """Return what is wrong with an id from *column*, and what to do; None if nothing is."""
    if text in _WORDS:
        return "stands for a missing value", "Leave the cell empty, or list the word under `empty`."
    if text == column:
        return "is the name of the column", "If this is a second header, remove the line."
    if len(text) <= LONGEST_ODD_ID and _ROUNDED.fullmatch(text):
        return "is a number that a spreadsheet rounded", "Export the ids as text."
    if text.startswith("="):
        return "is a spreadsheet formula", "Export the ids as text."
    if any(unicodedata.category(character) in _INVISIBLE for character in text):
        return "has an invisible character", "It would be part of the id: remove it."
    return None


def id_remark(text: str) -> str | None:
    """Return what is odd about a valid id, as the end of a sentence that begins with ids; None if nothing is."""
    if len(text) <= LONGEST_ODD_ID and _POINT_ZERO.fullmatch(text):
        return "end with .0, probably because pandas or a spreadsheet turned whole numbers into decimals"
    if not text.isascii() and not unicodedata.is_normalized("NFC", text):
        return (
            "are not in Unicode's composed form (NFC), so they may look like other ids but differ from them"
        )
    return None


def is_plain_id(text: str) -> bool:
    """Tell ids that need no closer look; nearly all are."""
    return (
        text.isascii()
        and text.isprintable()
        and text not in _WORDS
        and (text.isalnum() or text[0] not in _ODD_STARTS)
    )
