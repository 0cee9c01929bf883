"""HTML that is escaped by construction: text becomes ``Html`` only through ``tag``, which escapes it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeAlias

from leanplum_sync.render.values import escaped
from leanplum_sync.wire.action import Json

_VOID: Final = frozenset(("br", "input", "link", "meta"))  # of HTML; SVG elements need an end tag
# "<" could end the script; two of the others end a line in JavaScript but not in JSON.
_IN_SCRIPTS: Final = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029\x7f"}


@dataclass(frozen=True, slots=True)
class Html:
    """Escaped HTML. Only ``tag`` and ``together`` make it."""

    source: str


Content: TypeAlias = Html | str


def tag(name: str, /, *content: Content, **attributes: str | int | bool | None) -> Html:
    """
    Return an element. A trailing underscore of an attribute is dropped (``class_``), the others become hyphens.

    An attribute that is None or False is omitted; one that is True gets no value.
    """
    words = [
        name,
        *(_attribute(key, value) for key, value in attributes.items() if value not in (None, False)),
    ]
    opening = f"<{' '.join(words)}>"
    return Html(opening if name in _VOID else f"{opening}{together(*content).source}</{name}>")


def together(*content: Content) -> Html:
    return Html("".join(each.source if isinstance(each, Html) else _text(each) for each in content))


def joined(parts: Iterable[Content], separator: Content = "") -> Html:
    found: list[Content] = []
    for part in parts:
        found += [separator, part] if found else [part]
    return together(*found)


NOTHING: Final = Html("")


def _attribute(key: str, value: str | int | bool | None) -> str:  # noqa: FBT001 - a value of HTML
    name = key.rstrip("_").replace("_", "-")
    return name if value is True else f'{name}="{_text(str(value))}"'


def _text(text: str) -> str:
    return html.escape(escaped(text))


def data(identifier: str, value: Json) -> Html:
    """Return *value* as JSON that the page's script can read and the browser never runs."""
    source = json.dumps(value, ensure_ascii=True, separators=(",", ":")).translate(_IN_SCRIPTS)
    return Html(f'<script type="application/json" id="{identifier}">{source}</script>')


def page(title: str, *content: Content, with_script: bool = False) -> str:
    """
    Return a whole document.

    Its content security policy allows only its own style and script, by their hashes: the page makes no request, and an
    injected script would not run.
    """
    style, script = _asset("page.css"), _asset("page.js") if with_script else ""
    allowed = _hash(script) if script else "'none'"
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {allowed};"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = together(
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="robots", content="noindex"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        Html(f"<style>{style}</style>"),
    )
    run = Html(f"<script>{script}</script>") if script else NOTHING
    body = tag("body", *content, run)
    return f'<!doctype html>\n<html lang="en"><head>{head.source}</head>{body.source}</html>\n'


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")
