"""
The package and the documents use the usual English word: no phrase of the list below comes back.

Docstrings, comments, messages and names count alike. A word of the API that has to be quoted is listed in `QUOTED`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FILES: Final = (
    "leanplum_sync/**/*.py",
    "leanplum_sync/**/*.html",
    "leanplum_sync/**/*.js",
    "leanplum_sync/cli/templates/*",
    "docs/**/*.md",
    "docs/**/*.py",
    "docs/*.1",
    "examples/**/*.md",
    "examples/**/*.sh",
    "examples/**/*.yaml",
    "README.md",
    "CHANGELOG.md",
    "Makefile",
    "pyproject.toml",
    ".importlinter",
    ".ci/run",
    "action.yml",
    "Containerfile",
)

# The phrase, as a pattern, and what to write instead.
PHRASES: Final = {
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix",
    r"(came|comes?|coming) into being": "created",
    r"what (is|was|'s) (\w+ )?there": "live state",
    r"(stands?|stood|standing) (here|there)": "is here",
    r"leave to (write|read)": "permission to write",
    r"pass(ed|es|ing)? over": "skipped",
    r"on (its|their|his) way": "in flight",
    r"(go|goes|gone|going|went) on with": "continue",
    r"(is|are|was|were|be|been) told of": "receives",
    r"verbs?": "command",
    r"(takes?|taken|took) up again": "resume",
    r"so many [\w ]{1,30}\bas": "as many ... as",
    r"by hand of": "by",
    r"holds? good": "is valid",
    r"whom (it|they) (is|are) about": "its users",
    r"those that": "the ones that, or a noun",
    r"say one of": "pass exactly one of",
    r"agrees? with (itself|themselves)": "consistent",
    r"(was|were|been|be) served before": "already received this send",
    r"called so": "unknown",
    r"leanplum was not asked": "checked offline",
    r"in the place of": "instead of, or replaces",
    r"what we left": "since the last apply",
    r"there is none such|none such": "not found",
    r"goes? its way": "continues",
}
# Sentences that start with "Of": "Of the 100 users, 3 ..." is one an English speaker turns round.
SENTENCES: Final = {r"(?:^|[.:\"] |\"\"\"|# )Of (?!course)[a-z]": "start with the subject"}

# What a source says, which has to be given as it is: file, phrase.
QUOTED: Final = frozenset({("docs/contributing.md", "verb")})  # "subject, verb, object"


def patterns() -> Iterator[tuple[re.Pattern[str], str]]:
    """Yield each pattern. Its spaces also stand for a line break inside a comment or between two parts of a string."""
    for phrase, instead in PHRASES.items():
        yield re.compile(rf"(?<![A-Za-z]){phrase.replace(' ', GAP)}(?![A-Za-z])", re.IGNORECASE), instead
    for phrase, instead in SENTENCES.items():
        yield re.compile(phrase, re.MULTILINE), instead


GAP: Final = r"""[\s#"']+"""


def found(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the phrase and what to write instead."""
    for pattern, instead in patterns():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), instead


def test_the_usual_word_is_used_everywhere() -> None:
    odd: list[str] = []
    for path in sorted({path for files in FILES for path in ROOT.glob(files) if path.is_file()}):
        name = path.relative_to(ROOT).as_posix()
        for line, phrase, instead in found(path.read_text()):
            if (name, phrase.lower()) not in QUOTED:
                odd.append(f"{name}:{line}: {phrase!r}: say {instead!r}")
    assert not odd, "\n".join(odd)


@pytest.mark.parametrize(
    "text",
    [
        "It is made anew.",
        "Say one of --done and --drop",
        "# what\n    # was there",
        'f"It is on "\n "its way"',
        "VERBS = ()",
        "Of these, two fail.",
        '"""Of two."""',
    ],
)
def test_an_odd_phrase_is_found_also_across_lines(text: str) -> None:
    assert len(list(found(text))) == 1


@pytest.mark.parametrize(
    "text", ["Renewed, verbose and amended", "Of course", "list of all", "what is the rule"]
)
def test_other_words_are_left_alone(text: str) -> None:
    assert not list(found(text))
