"""Postbacks: URLs that Leanplum calls when messages are sent, or A/B tests begin. Postbacks that no spec names stay as they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from leanplum_sync.address import Subject, SubjectKind
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.rows.desires import RemoveThing, SetThing, Want
from leanplum_sync.kinds.rows.document import Document, Edge, Name, wrong
from leanplum_sync.kinds.rows.site import Path, Site
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.wire.action import DeliveryClass
from leanplum_sync.wire.catalogue import KeyClass
from leanplum_sync.wire.postback import MOST, postback_name

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise wrong(
            "this is not the name of an environment variable",
            "Letters, digits, and _, such as CRM_POSTBACK_URL.",
        )
    return text


def _no_text(value: Any) -> Any:
    """A URL in a file would be shown in errors, too."""
    if isinstance(value, str):
        raise wrong(
            "a postback's URL is a secret, which must not be in files",
            "Put the URL in an environment variable, and write {env: NAME_OF_THE_VARIABLE}.",
        )
    return value


class UrlInVariable(Edge):
    """A URL, in an environment variable."""

    env: Annotated[str, AfterValidator(_variable)] = Field(
        description="The variable's name.", examples=["CRM_POSTBACK_URL"]
    )


_Url = Annotated[UrlInVariable, BeforeValidator(_no_text)]


class PostbackModel(Edge):
    url: _Url = Field(
        description="The environment variable that holds the URL, with Leanplum's placeholders, such as `https://hooks.example.com/lp?user={{User ID}}`.",
        examples=[{"env": "CRM_POSTBACK_URL"}],
    )
    type: Literal["messageEvents", "abTestEvents"] = Field(
        default="messageEvents",
        description="What Leanplum calls the URL for: `messageEvents` or `abTestEvents`.",
        examples=["abTestEvents"],
    )
    channels: list[Literal["Push Notification", "Email", "In-app Message"]] | None = Field(
        default=None,
        min_length=1,
        description="The kinds of messages to call it for. Only used when the postback is created: Leanplum doesn't show them. Default: all.",
        examples=[["Push Notification", "Email"]],
    )
    replaces: _Url | None = Field(
        default=None,
        description="The environment variable that holds the former URL. A postback with that URL and the same type is deleted first.",
        examples=[{"env": "OLD_CRM_POSTBACK_URL"}],
    )
    state: Literal["present", "absent"] = Field(
        default="present", description="`absent` deletes the postback, if it exists.", examples=["absent"]
    )


class PostbacksSpec(Edge):
    postbacks: dict[Name, PostbackModel] = Field(
        description="The postbacks, by names of your own. Others stay as they are.",
        examples=[{"crm": {"url": {"env": "CRM_POSTBACK_URL"}}}],
    )


class PostbacksDocument(Document):
    kind: Literal["Postbacks"] = Field(description="The kind of document.", examples=["Postbacks"])
    spec: PostbacksSpec = Field(
        description="The postbacks.", examples=[{"postbacks": {"crm": {"url": {"env": "CRM_POSTBACK_URL"}}}}]
    )


def build(document: PostbacksDocument, site: Site) -> Resource:
    postbacks = document.spec.postbacks
    if not postbacks and site.whole:
        site.report(
            ("spec", "postbacks"),
            "there are no postbacks",
            "An empty list changes nothing. To delete postbacks, name each one, with `state: absent`.",
        )
    wants = [
        want for name, model in postbacks.items() for want in _wants(model, ("spec", "postbacks", name), site)
    ]
    twice = Counter(want.subject for want in wants)
    for want in {want.subject: want for want in wants if twice[want.subject] > 1}.values():
        name = next(name for name in reversed(postbacks) if want.subject.id in _names(postbacks[name]))
        site.report(
            ("spec", "postbacks", name),
            f"{want.subject.id} is named twice: two postbacks have the same type, and their URLs are in the same variable",
            "Keep one of them.",
        )
    return resource_at(
        site, KIND, id_column=NeededColumn("", site.place(("spec",))), parts=(), wants=tuple(wants)
    )


def _names(model: PostbackModel) -> list[str]:
    urls = [model.url, *([model.replaces] if model.replaces else [])]
    return [postback_name(model.type, url.env) for url in urls]


def _wants(model: PostbackModel, path: Path, site: Site) -> Iterator[Want]:
    place = site.place(path)
    if model.state == "absent" and (model.channels or model.replaces):
        site.report(
            path, "an absent postback has neither channels nor replaces", "Remove them, or the state."
        )
        return
    name, *former = _names(model)
    value = {"type": model.type, **({"channels": list(model.channels)} if model.channels else {})}
    desire = RemoveThing(name, place) if model.state == "absent" else SetThing(name, value, place)
    yield _want(desire, site)
    for each in former:
        yield _want(RemoveThing(each, place, replaced=True), site)


def _want(desire: SetThing | RemoveThing, site: Site) -> Want:
    subject = Subject(SubjectKind.POSTBACK, desire.name)
    return Want(site.address, subject, create=False, found_at=desire.asked_at, desires=(desire,))


KIND: Final[Kind[PostbacksDocument]] = Kind(
    name="Postbacks",
    summary=f"Creates or deletes postbacks, of which an app can have {MOST}. Others stay as they are.",
    document=PostbacksDocument,
    rows_key="",
    rows=lambda _: None,
    subjects=SubjectKind.POSTBACK,
    build=build,
    entries=("postbacks",),
    stand_ins={},
    reads=("listPostbacks",),
    writes=("addPostback", "deletePostback"),
    key=KeyClass.DATA_EXPORT,
    delivery=(DeliveryClass.REPEATABLE, DeliveryClass.CHECKABLE),
    hazards=("replaced", "removed"),
    tables={"Postbacks": PostbacksSpec, "postbacks": PostbackModel, "urls": UrlInVariable},
)
