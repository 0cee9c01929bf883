"""Expectations: messages, unsubscribe categories, and sizes of audiences without which other documents are not planned or applied."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from leanplum_sync.address import SubjectKind
from leanplum_sync.kinds.expectation import Expectation, ExpectedAudience, ExpectedCategory, ExpectedMessage
from leanplum_sync.kinds.kind import Kind, Resource, resource_at
from leanplum_sync.kinds.message_send import MessageModel
from leanplum_sync.kinds.rows.document import AudienceModel, Document, Edge, wrong
from leanplum_sync.kinds.rows.site import Site
from leanplum_sync.kinds.rows.source import NeededColumn
from leanplum_sync.kinds.subscriptions import category_id
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.message import FINGERPRINT


def _fingerprint(text: str) -> str:
    if not FINGERPRINT.fullmatch(text):
        raise wrong(
            "this is not a fingerprint of a message",
            "Write any 16 digits, such as 0000000000000000: the next plan shows the right ones.",
        )
    return text


def _category_id(value: Json) -> Json:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class ExpectedMessageModel(MessageModel):
    active: bool = Field(default=True, description="Whether the message must be active.", examples=[True])
    type: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None,
        description="The channel that it must have, as Leanplum calls it.",
        examples=["Push Notification"],
    )
    fingerprint: Annotated[str, AfterValidator(_fingerprint)] | None = Field(
        default=None,
        description=(
            "A hash of everything that Leanplum shows of the message. It differs once somebody edits the message. If it doesn't"
            " match, the error shows the current one."
        ),
        examples=["3f2a9c01d4e5b678"],
    )


class ExpectedCategoryModel(Edge):
    id: Annotated[str, BeforeValidator(_category_id), AfterValidator(category_id)] = Field(
        description="The id of the unsubscribe category.", examples=[5]
    )
    name: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None, description="The name that it must have.", examples=["Newsletter"]
    )


UserCount = Annotated[int, Field(ge=0)]


class ExpectedAudienceModel(AudienceModel):
    at_least: UserCount | None = Field(
        default=None,
        description="The fewest users that it may have. Users whose row in the export can be read in several ways don't count.",
        examples=[1000],
    )
    at_most: UserCount | None = Field(
        default=None,
        description="The most users that it may have. Users whose row in the export can be read in several ways count.",
        examples=[5000],
    )

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        if self.at_least is None and self.at_most is None:
            raise wrong("nothing is said about the number of users", "Write `atLeast`, `atMost`, or both.")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise wrong(f"no number is at least {self.at_least:,} and at most {self.at_most:,}", "Swap them.")
        return self


class ExpectationsSpec(Edge):
    messages: list[ExpectedMessageModel] = Field(
        default=[],
        description="Messages that must exist.",
        examples=[[{"name": "Order delay", "type": "Push Notification"}]],
    )
    categories: list[ExpectedCategoryModel] = Field(
        default=[],
        description="Unsubscribe categories that must exist.",
        examples=[[{"id": 5, "name": "Newsletter"}]],
    )
    audiences: list[ExpectedAudienceModel] = Field(
        default=[],
        description="How many users must have an attribute, or a value of it. `plan` counts them with one of 40 exportUsers jobs a day for"
        " each attribute; `apply` doesn't count again.",
        examples=[[{"userAttribute": "tier", "equals": "gold", "atLeast": 1000, "atMost": 5000}]],
    )


class ExpectationsDocument(Document):
    kind: Literal["Expectations"] = Field(description="The kind of document.", examples=["Expectations"])
    spec: ExpectationsSpec = Field(
        description="What must hold.", examples=[{"messages": [{"name": "Order delay"}]}]
    )


def build(document: ExpectationsDocument, site: Site) -> Resource:
    spec = document.spec
    found: list[Expectation] = [
        *(
            ExpectedMessage(
                each.name,
                each.id,
                each.active,
                each.type,
                each.fingerprint,
                site.place(("spec", "messages", number)),
            )
            for number, each in enumerate(spec.messages)
        ),
        *(
            ExpectedCategory(each.id, each.name, site.place(("spec", "categories", number)))
            for number, each in enumerate(spec.categories)
        ),
        *(
            ExpectedAudience(
                each.user_attribute,
                each.values,
                each.at_least,
                each.at_most,
                site.place(("spec", "audiences", number)),
            )
            for number, each in enumerate(spec.audiences)
        ),
    ]
    if site.depends_on:
        site.report(
            ("metadata", "dependsOn"),
            "expectations are checked before anything is planned, so they can't depend on other documents",
            "Let the other documents depend on this one.",
        )
    if not found and site.whole:
        site.report(("spec",), "this spec expects nothing", "List messages, categories, or audiences.")
    return resource_at(
        site, KIND, id_column=NeededColumn("", site.place(("kind",))), parts=(), expectations=tuple(found)
    )


KIND: Final[Kind[ExpectationsDocument]] = Kind(
    name="Expectations",
    summary="Stops the documents that depend on it unless the app has the listed messages, categories, and numbers of users.",
    document=ExpectationsDocument,
    rows_key="",
    rows=lambda _: None,
    subjects=SubjectKind.USER,
    build=build,
    entries=(),
    stand_ins={},
    reads=("getMessages", "getUnsubscribeCategories", "exportUsers", "getExportResults"),
    writes=(),
    key=None,
    delivery=(),
    hazards=(),
    tables={
        "Expectations": ExpectationsSpec,
        "expected message": ExpectedMessageModel,
        "expected category": ExpectedCategoryModel,
        "expected audience": ExpectedAudienceModel,
    },
)
