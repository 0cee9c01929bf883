"""Changes by attribute and kind: one stacked SVG bar per attribute, with its number of users."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from leanplum_sync.planner.change import ChangeKind, Family, facts
from leanplum_sync.planner.plan import Cohort
from leanplum_sync.render.html.writing import NOTHING, Html, tag
from leanplum_sync.render.values import amount

_BARS: Final = 12
_THINNEST: Final = 0.4  # percent, so that every part can be seen
FAMILIES: Final[Mapping[str, str]] = {family.value: family.words for family in Family}


def family(kind: ChangeKind) -> str:
    return facts(kind).family.value


def chart(cohorts: Sequence[Cohort]) -> Html:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for cohort in cohorts:
        counts[cohort.field or "(the user)"][family(cohort.kind)] += cohort.users
    largest = sorted(counts.items(), key=lambda each: -each[1].total())
    most = largest[0][1].total()
    bars = [_bar(field, families, most) for field, families in largest[:_BARS]]
    rest = len(largest) - _BARS
    more = (
        tag(
            "p",
            f"and {rest:,} more; the table below has all of them",
            class_="note",
        )
        if rest > 0
        else NOTHING
    )
    present = [name for name in FAMILIES if any(families[name] for families in counts.values())]
    legend = [tag("li", tag("span", "", class_=f"swatch {name}"), FAMILIES[name]) for name in present]
    return tag(
        "figure",
        tag("figcaption", "Users changed, by attribute and kind of change"),
        tag("ul", *bars, class_="bars"),
        more,
        tag("ul", *legend, class_="legend") if len(present) > 1 else NOTHING,
        class_="chart",
    )


def _bar(field: str, families: Counter[str], most: int) -> Html:
    words = ", ".join(f"{count:,} {FAMILIES[name]}" for name, count in families.items() if count)
    drawing = tag(
        "svg",
        *_parts(families, most),
        role="img",
        aria_label=f"{field}: {words}",
        width="100%",
        height="10",
    )
    return tag(
        "li",
        tag("span", field, class_="name"),
        drawing,
        tag("span", f"{families.total():,}", class_="number", aria_label=amount(families.total(), "user")),
    )


def _parts(families: Counter[str], most: int) -> Iterable[Html]:
    widths = {name: max(100 * families[name] / most, _THINNEST) for name in FAMILIES if families[name]}
    # What the thin parts take beyond their share, the widest one gives.
    widest = max(widths, key=widths.__getitem__)
    widths[widest] -= sum(widths.values()) - 100 * families.total() / most
    start = 0.0
    for name, width in widths.items():
        yield tag("rect", x=f"{start:.2f}%", width=f"{width:.2f}%", height="10", class_=name)
        start += width
