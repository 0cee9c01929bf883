"""Parts that several pages share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leanplum_sync.planner.plan import Target
from leanplum_sync.render.html.writing import NOTHING, Content, Html, joined, tag, together


def masthead(kind: str, target: Target | None, headline: str, *facts: str) -> Html:
    """Return the top of a page: its kind, its target, and the one sentence that matters most."""
    return tag(
        "header",
        tag("p", kind, *([" · ", *_place(target)] if target else []), class_="eyebrow"),
        tag("h1", headline.removesuffix(".")),
        tag("p", joined((tag("span", fact) for fact in facts), " "), class_="facts") if facts else NOTHING,
    )


def _place(target: Target) -> Iterable[Content]:
    yield tag("strong", target.environment)
    if target.is_emulator:
        host = "" if target.host == "embedded emulator" else f" at {target.host}"
        yield tag("span", f"emulator{host}: nothing real is touched", class_="badge calm")
    else:
        yield tag("span", f"{target.host}, app {target.app_id}", class_="badge")


def section(title: str, *content: Content, class_: str | None = None) -> Html:
    identifier = title.lower().replace(" ", "-")
    return tag(
        "section", tag("h2", title, id=identifier), *content, class_=class_, aria_labelledby=identifier
    )


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Content]]) -> Html:
    """Return a plain table. A column whose name ends in ``:`` is numeric."""
    numbers = [name.endswith(":") for name in columns]
    head = (
        tag("th", name.removesuffix(":"), scope="col", class_="number" if is_number else None)
        for name, is_number in zip(columns, numbers, strict=True)
    )
    body = (
        tag(
            "tr",
            *(
                tag("td", cell, class_="number" if is_number else None)
                for cell, is_number in zip(row, numbers, strict=True)
            ),
        )
        for row in rows
    )
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="unseen"),
            tag("thead", tag("tr", *head)),
            tag("tbody", *body),
        ),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def code(text: str) -> Html:
    return tag("code", text)


def command(text: str) -> Html:
    """Return a command, or an option, that is never wrapped."""
    return tag("code", text, class_="word")


def codes(texts: Iterable[str]) -> Html:
    """Return *texts* with commas between them, wrapped between two of them rather than inside one."""
    found = list(texts)
    commas = [","] * (len(found) - 1) + [""]
    pairs = zip(found, commas, strict=False)
    return joined((tag("span", code(text), comma, class_="id") for text, comma in pairs), " ")


def items(entries: Iterable[Content]) -> Html:
    return tag("ul", *(tag("li", entry) for entry in entries), class_="plain")


def main(*content: Content) -> Html:
    return together(tag("main", *content))
