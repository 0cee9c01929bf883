"""Models that the documents of all kinds share. Here YAML becomes typed values."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from leanplum_sync.wire.action import Json
from leanplum_sync.wire.exported_text import boolean_text, is_telling, may_be_quoted

API_VERSION = "leanplum-sync/v1"
UNNAMED: Final = (
    "unnamed"  # stands in for a name that is wrong or missing, while the rest of its document is checked
)


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """Return an error for validators to raise: *message* says what is wrong, *hint* what to write instead."""
    return PydanticCustomError("leanplum_sync", "{message}", {"message": message, "hint": hint})


class Edge(BaseModel):
    """Unknown keys are errors, and nothing is converted silently: ``"5"`` is no number, ``1`` no boolean."""

    model_config = ConfigDict(
        strict=True,
        defer_build=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        hide_input_in_errors=True,
    )


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
OnceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", min_length=1, max_length=100)]
ColumnName = Annotated[str, StringConstraints(min_length=1)]


class Metadata(Edge):
    name: Name = Field(
        description="The document's name, unique within its kind. Lower-case letters, digits, and hyphens.",
        examples=["loyalty-tiers"],
    )
    owner: str | None = Field(
        default=None,
        description="The person or team responsible for the document.",
        examples=["crm@example.com"],
    )
    description: str | None = Field(
        default=None,
        description="What the document is for.",
        examples=["Tiers of the 2026 plan"],
    )
    depends_on: list[str] = Field(
        default=[],
        description="Documents that must be applied before this one, each as kind/name.",
        examples=[["UserAttributes/loyalty-tiers"]],
    )


class Document(Edge):
    api_version: Literal["leanplum-sync/v1"] = Field(
        description="The version of the spec language.", examples=[API_VERSION]
    )
    metadata: Metadata = Field(
        description="The document's name, and information for people.",
        examples=[{"name": "loyalty-tiers", "owner": "crm@example.com"}],
    )


def _inline_item(item: Json) -> dict[str, Json]:
    """A single text is an id. Its column is not known yet, so its key is empty."""
    match item:
        case str() if item:
            return {"": item}
        case dict() if item:
            return item
        case bool() | int() | float():
            raise wrong("this id is not text", 'Put it in quotes, such as "00123".')
        case _:
            raise wrong(
                "each item of an inline list must be an id, or a mapping with an id",
                "Write - user-1 or - {id: user-1}.",
            )


InlineListItem = Annotated[
    dict[str, Json],
    BeforeValidator(_inline_item),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": 1}, {"type": "object", "minProperties": 1}]}),
]


EmptyWord = Annotated[str, StringConstraints(min_length=1)] | None


def _spelled_out(words: list[str | None]) -> list[str | None]:
    """YAML reads NULL without quotes as nothing: it stands for its spellings."""
    return [spelling for word in words for spelling in (("NULL", "null") if word is None else (word,))]


_LARGEST_64_BIT: Final = 2**63 - 1


def _parameter(value: Any) -> Json:
    match value:
        case int() if abs(value) > _LARGEST_64_BIT:
            raise wrong(
                "this number is too large for a database", "Put it in quotes, and cast it in the query."
            )
        case None | str() | bool() | int() | float():
            return value
        case _:
            raise wrong("a parameter must be a string, a number, true, false, or null", "Write one value.")


ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Parameter = Annotated[
    Json,
    PlainValidator(_parameter),
    WithJsonSchema({"type": ["string", "number", "boolean", "null"]}),
]


def _attribute_name(name: str) -> str:
    if not name or name != name.strip():
        raise wrong("this is not the name of an attribute", "Write the name as the dashboard shows it.")
    if "|" in name:  # the ledger of exports separates what it knows of a job by it
        raise wrong("an attribute with | in its name can't be exported", "List the users in a file instead.")
    return name


def _exported(value: Any) -> str:
    """Return *value* as an export spells it, if no other value is spelled like this."""
    match value:
        case bool():
            return boolean_text(value)
        case str() if value == value.strip() and is_telling(value) and not may_be_quoted(value):
            return value
        case str():
            raise wrong(
                "an export may spell this text in several ways, or spell another value like it",
                "Compare with a text that has no quotes, commas, or backslashes, and is no number, list, or empty value.",
            )
        case int() | float():
            raise wrong(
                "an export doesn't show whether a value is a number or a text",
                "Compare with a text, true, or false; or read the users from a file or a database.",
            )
        case _:
            raise wrong(
                "an audience compares with a text, true, or false",
                "Write `equals: gold`, or `in:` with a list of them.",
            )


ExportedValue = Annotated[str, PlainValidator(_exported), WithJsonSchema({"type": ["string", "boolean"]})]


class AudienceModel(Edge):
    """The users who have an attribute, as Leanplum's exportUsers lists them."""

    user_attribute: Annotated[str, AfterValidator(_attribute_name)] = Field(
        description="The attribute that the users have.", examples=["tier"]
    )
    equals: ExportedValue | None = Field(
        default=None,
        description="The value that the attribute must have: a text, or true or false. Numbers can't be compared, because exports spell"
        " them in several ways.",
        examples=["gold"],
    )
    in_: Annotated[list[ExportedValue], Field(min_length=1)] | None = Field(
        default=None,
        alias="in",
        description="The values of which the attribute must have one.",
        examples=[["gold", "platinum"]],
    )
    exists: Literal[True] | None = Field(
        default=None,
        description="`true`: the attribute may have any value. An empty value doesn't count, because exports don't tell it from none.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _has_one_operator(self) -> Self:
        written = {"equals": self.equals, "in": self.in_, "exists": self.exists}
        found = [name for name, value in written.items() if value is not None]
        hint = "Write one of `equals: VALUE`, `in: [VALUE, ...]`, and `exists: true`."
        if not found:
            raise wrong("the audience says nothing about its attribute", hint)
        if len(found) > 1:
            raise wrong(f"`{found[1]}` can't be used with `{found[0]}`", hint)
        return self

    @property
    def values(self) -> tuple[str, ...]:
        """The values as an export spells them, each once; none if any value will do."""
        return tuple(dict.fromkeys([self.equals] if self.equals is not None else self.in_ or ()))


class Listing(Edge):
    """Where the rows are: a data file, a query, or a list in the spec itself."""

    file: str | None = Field(
        default=None,
        min_length=1,
        description=(
            "A data file, relative to this spec: .csv, .tsv, .ndjson, or .parquet. All except Parquet may be compressed (.gz or .zst)."
        ),
        examples=["data/customers.csv"],
    )
    format: Literal["csv", "ndjson", "parquet", "delta", "iceberg"] | None = Field(
        default=None,
        description="The file's format, if its extension doesn't indicate it. With a connection, `delta` and `iceberg` are tables, and"
        " `path` is the table's folder.",
        examples=["csv"],
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        default=None,
        description="The column separator of a CSV file. Default: detected from the header, with a remark.",
        examples=[";"],
    )
    empty: Annotated[list[EmptyWord], AfterValidator(_spelled_out)] = Field(
        default=[],
        description=(
            "Values to treat as empty, such as the NULL markers that databases and pandas write. A value must fill the whole cell to count."
            " An unquoted NULL covers both NULL and null."
        ),
        examples=[["NULL", "\\N", "nan"]],
    )
    connection: str | None = Field(
        default=None,
        min_length=1,
        description="A connection in the project file, for rows from a database or an object store.",
        examples=["warehouse"],
    )
    query: str | None = Field(
        default=None,
        min_length=1,
        description="A file with one SELECT, relative to this spec. Its columns are the columns of the rows.",
        examples=["queries/loyal.sql"],
    )
    path: str | None = Field(
        default=None,
        min_length=1,
        description="Files of a connection, relative to its URL: .csv, .tsv, .ndjson, or .parquet; all but Parquet also .gz or"
        " .zst. `*` and `?` stand for characters of a name, `**` for folders, `{date}` for the parameter `date`. A folder"
        " named `country=DE` adds a column `country`.",
        examples=["customers/{date}/*.parquet"],
    )
    version: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="The version of a Delta table. Default: the latest.", examples=[12]
    )
    snapshot: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="The id of a snapshot of an Iceberg table. Default: the current one.",
        examples=[5872319840029514],
    )
    parameters: dict[ParameterName, Parameter] | None = Field(
        default=None,
        description="Values for the query's parameters: `:since` in the query stands for the value of `since`. They are bound as data,"
        " never inserted into the query. Text is bound as text: to compare it with a date, write CAST(:since AS date). For a `path`,"
        " they are the values of the names in braces. Other values must be passed with `--set`.",
        examples=[{"since": "2026-11-01"}],
    )
    audience: AudienceModel | None = Field(
        default=None,
        description="The users who have an attribute in Leanplum now, instead of a list. `plan` exports them with one of 40 exportUsers"
        " jobs a day. Its rows have only the userId.",
        examples=[{"userAttribute": "tier", "equals": "gold"}],
    )
    inline: list[InlineListItem] | None = Field(
        default=None,
        min_length=1,
        description="A short list in the spec itself: ids, or mappings of column to value.",
        examples=[["user-1", "user-2"]],
    )
    id: ColumnName | None = Field(
        default=None,
        description=(
            "The column with the id. Ids are text: 00123 is not 123. Without it, a file must have the columns of"
            " Leanplum's own CSV import, and an inline list has its ids under `id`."
        ),
        examples=["customer_id"],
    )


class DeviceListing(Listing):
    """Where the devices are: rows with a deviceId each, and perhaps a userId."""

    user: ColumnName | None = Field(
        default=None,
        description="The column with the userId. A row without a userId is for the device alone.",
        examples=["user_id"],
    )
