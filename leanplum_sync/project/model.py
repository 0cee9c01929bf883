"""Project: the project file, ``leanplum-sync.yaml``. It names environments and consents, and holds no key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    StringConstraints,
    Tag,
    WithJsonSchema,
)

from leanplum_sync.encryption import KEY_VARIABLE
from leanplum_sync.kinds.rows.document import Document, Edge, Name, wrong
from leanplum_sync.kinds.rows.forms import TAG_MARK
from leanplum_sync.kinds.rows.site import Path, Report
from leanplum_sync.planner.audit import AuditGoal
from leanplum_sync.problem import Place
from leanplum_sync.project.moved import Move, MovedModel
from leanplum_sync.sources.connections.secret_names import SECRET_PARAMETERS, is_secret_option
from leanplum_sync.wire.action import Json
from leanplum_sync.wire.catalogue import KeyClass

KIND: Final = "Project"
# Mappings and lists of `spec` whose entries are checked one by one, so that a bad one can be left out.
ENTRIES: Final = ("environments", "connections", "sensitive")
FILE_NAME: Final = "leanplum-sync.yaml"
DEFAULT_JOURNAL: Final = ".leanplum-sync/journal.db"

# Source: keys seen in public sample configurations start with prod_, dev_ or exp_, and are random letters and digits.
_KEY = re.compile(r"(?<![A-Za-z0-9])(prod|dev|exp|cro)_(?=[A-Za-z]*[0-9]|[A-Za-z]{20})[A-Za-z0-9]{8,}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PASSWORD = re.compile(
    rf"://[^/@:]*:[^/@]*@|(?:^|[?&\s])password\s*=|[?&](?:{'|'.join(sorted(SECRET_PARAMETERS))})=",
    re.IGNORECASE,
)


def holds_key(text: str) -> bool:
    """Tell whether *text* contains what looks like a key, or an address with a password: neither is ever shown."""
    return _KEY.search(text) is not None or _PASSWORD.search(text) is not None


def _variable(text: str) -> str:
    if holds_key(text):
        raise wrong(
            "this looks like a key, and keys must not be in files",
            "Write the name of an environment variable that holds the key. Replace the key itself, because others may have seen it.",
        )
    if not _VARIABLE.fullmatch(text):
        raise wrong(
            "this is not the name of an environment variable",
            "Letters, digits, and _, such as LEANPLUM_PRODUCTION_KEY.",
        )
    return text


Variable = Annotated[str, AfterValidator(_variable)]


def _no_key(text: str) -> str:
    if holds_key(text):
        raise wrong(
            "this is a secret",
            "Put the secret in an environment variable, and write {env: NAME_OF_THE_VARIABLE}.",
        )
    return text


class FromEnvironment(Edge):
    """The value of an environment variable."""

    env: Variable = Field(description="The variable's name.", examples=["LEANPLUM_SYNC_JOURNAL"])
    otherwise: Annotated[str, AfterValidator(_no_key)] | None = Field(
        default=None,
        min_length=1,
        description="The value if the variable is not set. Without it, an unset variable is an error.",
        examples=[".leanplum-sync/journal.db"],
    )


def _setting_text(value: Json) -> str:
    if not isinstance(value, str) or not value:
        raise wrong("this is not text", "Write text, or {env: NAME_OF_A_VARIABLE}.")
    return _no_key(value)


def _setting_form(value: Any) -> str:
    return TAG_MARK + ("env" if isinstance(value, dict) else "text")


SettingForm = Annotated[
    Annotated[str, PlainValidator(_setting_text), WithJsonSchema({"type": "string"}), Tag(TAG_MARK + "text")]
    | Annotated[FromEnvironment, Tag(TAG_MARK + "env")],
    Discriminator(_setting_form),
]
Count = Annotated[int, Field(ge=0)]


def _allowed(description: str, example: int, default: int | None = 0) -> Any:
    """Return a field of a budget. None is no limit."""
    said = description if default is None else f"{description} Default: {default}."
    return Field(default=default, description=said, examples=[example])


class BudgetModel(Edge):
    """Up to how many of each a plan may hold without being asked for. What is not named is not limited."""

    sends: Count = _allowed("Messages sent.", 20000)
    repeated_sends: Count = _allowed(
        "Messages to users who were already sent the same message under another delivery name, in the last `repeatedSendDays` days.",
        0,
    )
    suspected_rename: Count = _allowed(
        "Users who would probably receive a delivery again, because it seems to have been renamed or split: its former name is in the journal, but it is no longer in any spec, or no longer lists these users.",
        0,
    )
    resubscribes: Count = _allowed(
        "Channels and categories that users who had unsubscribed are re-subscribed to.", 0
    )
    unsubscribes: Count | None = _allowed(
        "Channels and categories that users are unsubscribed from.", 5000, None
    )
    erased: Count = _allowed("Users erased.", 0)
    erased_before: Count = _allowed(
        "Users who are created, changed, or sent something, although the journal shows that they were erased.",
        0,
    )
    created_users: Count = _allowed("Users created.", 0)
    changed_users: Count | None = _allowed("Users changed.", 100000, None)
    changed_share: Annotated[int, Field(ge=0, le=100)] | None = Field(
        default=None,
        description="Users changed, as a percentage of the listed users, rounded up. This protects jobs that usually change few users.",
        examples=[20],
    )
    billable_lookups: Count | None = _allowed("Billable lookups to plan and apply.", 250000, None)
    billable_lookups_per_month: Count | None = _allowed(
        "Billable lookups of all commands in a calendar month of UTC. Before a command other than `call` reads or writes more, it stops with exit code 6.",
        5_000_000,
        None,
    )
    removals: Count | None = _allowed("Attributes removed.", 0, None)
    increments: Count | None = _allowed("Increments.", 1000, None)
    renames: Count | None = _allowed("Attributes renamed.", 1000, None)
    forced_sends: Count | None = _allowed("Messages sent to users outside the message's targeting.", 0, None)
    events: Count | None = _allowed("Past events imported.", 100000, None)
    repeated_events: Count = _allowed(
        "Past events whose key the user already has from another import, or gets from two imports of the plan. Imports that are in the specs with different events don't count.",
        0,
    )
    variables: Count = _allowed("Variables set or deleted.", 10)
    in_running_test: Count = _allowed(
        "Variables set or deleted that are in a running A/B test, as far as Leanplum shows its tests.", 0
    )
    replaced: Count = _allowed(
        "Things of the app, such as notification channels, that are deleted and created again.", 0
    )
    removed: Count = _allowed("Things of the app other than variables that are deleted.", 0)
    triggers_campaigns: Count = _allowed(
        "Users whose past events may trigger active messages, as far as Leanplum shows what triggers them.", 0
    )
    new_attribute_names: Count = _allowed(
        "New attribute names, counted if the app would then have more than 400 names. The API allows 500.", 5
    )
    during_migration: Count = _allowed("Users changed while Leanplum copies the app to CleverTap.", 1000)
    assumed: Count | None = _allowed(
        "Users who are not read, because they match the specs according to the baseline.", 1000000, None
    )
    unseen: Count | None = _allowed(
        "Users who are not read, because they match the specs according to an export.", 1000000, None
    )


class LimitsModel(Edge):
    concurrency: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Maximum number of requests in flight. Default: 8.", examples=[8]
    )
    requests_per_second: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        default=None,
        description="Maximum number of requests started per second, by all threads together. After a pause, up to half of this number start at once. Default: 20.",
        examples=[20],
    )
    read_in_batches: bool | None = Field(
        default=None,
        description="Whether to read up to 50 users per request when planning, rechecking, and verifying. Leanplum doesn't document such requests. If they don't work, users are read one by one. Default: `false`.",
        examples=[True],
    )
    lease_seconds: Annotated[float, Field(ge=2, le=3600, strict=False)] | None = Field(
        default=None,
        description="How many seconds other runs wait for the lock of a run that no longer responds. Default: 60.",
        examples=[60],
    )
    plan_hours: Annotated[float, Field(gt=0, strict=False)] | None = Field(
        default=None,
        description="Maximum age of a plan when it is applied. Default: no limit.",
        examples=[24],
    )
    repeated_send_days: Annotated[float, Field(ge=0, strict=False)] | None = Field(
        default=None,
        description="How many days `repeatedSends` looks back for the same message under another delivery name. Default: 7.",
        examples=[30],
    )


def _key(name: str, description: str, example: str) -> Any:
    return Field(default=name, description=f"The variable with the {description}.", examples=[example])


class KeysModel(Edge):
    """The names of the environment variables that hold the keys, one for each class of key."""

    production: Variable = _key("LEANPLUM_PRODUCTION_KEY", "production key, which writes", "SHOP_PROD_KEY")
    data_export: Variable = _key(
        "LEANPLUM_DATA_EXPORT_KEY", "data export key, which reads users", "SHOP_EXPORT_KEY"
    )
    content_read_only: Variable = _key(
        "LEANPLUM_CONTENT_READ_ONLY_KEY", "content read-only key, which reads messages", "SHOP_CONTENT_KEY"
    )
    development: Variable = _key(
        "LEANPLUM_DEVELOPMENT_KEY",
        "development key, which writes where `writes: development` says so",
        "SHOP_DEV_KEY",
    )


def _as_list(value: Json) -> Json:
    return [value] if isinstance(value, str) else value


class Observe(StrEnum):
    """What plans compare the specs with."""

    LIVE = "live"
    JOURNAL = "journal"
    EXPORT = "export"


def _observe(otherwise: str) -> Any:
    return Field(
        default=None,
        description=f"What plans compare the specs with, unless `--observed` says otherwise: `live` reads every user; `journal` reads only users who would change, or whom the baseline beside the journal doesn't know; `export` exports the specs' attributes, and reads only users who would change, or whom the export doesn't show exactly. Default: {otherwise}.",
        examples=["journal"],
        strict=False,
    )


class AuditModel(Edge):
    """With `observe: journal` or `export`: read a random sample of the users who are assumed to match, and limit how many of the others may not."""

    share: Annotated[float, Field(gt=0, le=100, strict=False)] = Field(
        default=0.1,
        description="At most this share of the users who are not read may fail to match the specs, in percent. Default: 0.1.",
        examples=[0.1],
    )
    confidence: Annotated[float, Field(ge=50, lt=100, strict=False)] = Field(
        default=99, description="The confidence of that, in percent. Default: 99.", examples=[99]
    )


def _writes() -> Any:
    return Field(
        default=KeyClass.PRODUCTION.value,
        description="The class of key to write with: `production`, `development`, or `dataExport`. Only specs whose kinds need this key are planned"
        " and applied here.",
        examples=["development"],
    )


Writes = Literal["production", "development", "dataExport"]


class EmbeddedModel(Edge):
    """The emulator, inside the process: no account, no network."""

    emulator: Literal["embedded"] = Field(
        description="`embedded` runs the emulator inside each command.", examples=["embedded"]
    )
    seed: Annotated[
        list[Annotated[str, StringConstraints(min_length=1)]],
        BeforeValidator(_as_list),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field(
        default=[],
        description="NDJSON files with the initial users of the emulator. After changing them, run `rm .leanplum-sync/emulator.db*` to start again.",
        examples=["seed/users.ndjson"],
    )
    writes: Writes = _writes()
    budget: BudgetModel | None = Field(
        default=None, description="Replaces the project's budget.", examples=[{"sends": 10}]
    )
    observe: Observe | None = _observe("the project's")
    limits: LimitsModel | None = Field(
        default=None,
        description="Override the project's limits. An embedded emulator has no rate limit unless it is set here.",
        examples=[{"concurrency": 2}],
    )


class LiveModel(Edge):
    """An app at Leanplum, or wherever LEANPLUM_API_URL points."""

    app_id: SettingForm | None = Field(
        default=None,
        description="The app's id. Default: the variable LEANPLUM_APP_ID.",
        examples=[{"env": "SHOP_APP_ID"}],
    )
    keys: KeysModel | None = Field(
        default=None,
        description="The variables with the keys, if they are not the default ones.",
        examples=[{"production": "SHOP_PROD_KEY"}],
    )
    writes: Writes = _writes()
    budget: BudgetModel | None = Field(
        default=None,
        description="Replaces the project's budget.",
        examples=[{"sends": 20000, "createdUsers": 0}],
    )
    observe: Observe | None = _observe("the project's")
    limits: LimitsModel | None = Field(
        default=None, description="Override the project's limits.", examples=[{"concurrency": 4}]
    )


def _environment_form(value: Any) -> str:
    embedded = isinstance(value, dict) and ("emulator" in value or "seed" in value)
    return TAG_MARK + ("embedded" if embedded else "live")


EnvironmentForm = Annotated[
    Annotated[EmbeddedModel, Tag(TAG_MARK + "embedded")] | Annotated[LiveModel, Tag(TAG_MARK + "live")],
    Discriminator(_environment_form),
]
FORMS: Final[dict[str, type[Edge]]] = {
    TAG_MARK + "embedded": EmbeddedModel,
    TAG_MARK + "live": LiveModel,
    TAG_MARK + "env": FromEnvironment,
}


def _no_secrets(options: dict[str, SettingForm]) -> dict[str, SettingForm]:
    found = [
        f"`{name}`"
        for name, setting in options.items()
        if is_secret_option(name) and (isinstance(setting, str) or setting.otherwise)
    ]
    if found:
        raise wrong(
            f"{' and '.join(found)} {'is a secret' if len(found) == 1 else 'are secrets'}",
            "Put the secret in an environment variable, and write {env: NAME_OF_THE_VARIABLE}. Replace the secret itself, because others may"
            " have seen it.",
        )
    return options


class ConnectionModel(Edge):
    """A database or an object store that specs take rows from."""

    url: SettingForm = Field(
        description="The address of a database, such as postgresql://user:password@host/database, or of files: s3://bucket/folder,"
        " gs://bucket/folder, az://container/folder, file:///folder, or file://./folder in the project. If it contains a password, put it"
        " in an environment variable.",
        examples=[{"env": "WAREHOUSE_URL"}],
    )
    options: Annotated[dict[str, SettingForm], AfterValidator(_no_secrets)] = Field(
        default={},
        description="Options of an object store, such as `region` or `endpoint`. Credentials come from the"
        " store's standard environment variables, such as AWS_ACCESS_KEY_ID.",
        examples=[{"region": "eu-west-1"}],
    )


class ProjectSpec(Edge):
    specs: list[Annotated[str, StringConstraints(min_length=1)]] = Field(
        default=["specs"],
        description="Folders and files with specs, relative to this file.",
        examples=[["specs"]],
    )
    journal: SettingForm = Field(
        default=DEFAULT_JOURNAL,
        description="The journal: a SQLite file, or a variable that contains an address postgresql://...",
        examples=[{"env": "LEANPLUM_SYNC_JOURNAL"}],
    )
    default_environment: str | None = Field(
        default=None, description="The environment to use without `-e`.", examples=["sandbox"]
    )
    environments: dict[Name, EnvironmentForm] = Field(
        default={},
        description="The apps to apply plans to. Default: only `sandbox`, the embedded emulator.",
        examples=[{"sandbox": {"emulator": "embedded"}, "production": {}}],
    )
    connections: dict[Name, ConnectionModel] = Field(
        default={},
        description="Databases and object stores that specs can take rows from, by name.",
        examples=[{"warehouse": {"url": {"env": "WAREHOUSE_URL"}}}],
    )
    observe: Observe | None = _observe("`live`")
    limits: LimitsModel = Field(
        default_factory=LimitsModel,
        description="Limits for requests, locks, and plans.",
        examples=[{"concurrency": 8, "requestsPerSecond": 20}],
    )
    sensitive: list[Annotated[str, StringConstraints(min_length=1)]] = Field(
        default=[],
        description="Attributes whose values are masked in all output.",
        examples=[["email", "phone"]],
    )
    increment_receipts: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None,
        description="An extra attribute that each increment sets to a unique id, so that a read can tell whether the increment happened if the response was lost. Default: none.",
        examples=["last_increment"],
    )
    variables_user: Annotated[str, StringConstraints(min_length=1)] | None = Field(
        default=None,
        description="The user as whom variables are read: one who exists, and whom no A/B test and nothing else in the dashboard targets. Each read is a billable lookup. Default: nobody, which shows what a new user would see.",
        examples=["variables-reader"],
    )
    audit: AuditModel | None = Field(
        default=None,
        description="How plans with `observe: journal` or `export` check what they assume. Default: they don't.",
        examples=[{"share": 0.1, "confidence": 99}],
    )
    budget: BudgetModel = Field(
        default_factory=BudgetModel,
        description="What a plan may do without consent, in environments that don't have their own budget.",
        examples=[{"sends": 0, "createdUsers": 0}],
    )
    moved: list[MovedModel] = Field(
        default=[],
        description="Deliveries that were renamed. Users who received a delivery under its former name don't receive it again. Entries can stay forever.",
        examples=[[{"from": "2026-11-order-delay", "to": "late-orders"}]],
    )


class ProjectDocument(Document):
    kind: Literal["Project"] = Field(description="The kind of document.", examples=["Project"])
    spec: ProjectSpec = Field(
        description="Where the specs are, where they are applied, and which changes are allowed.",
        examples=[{"specs": ["specs"], "environments": {"sandbox": {"emulator": "embedded"}}}],
    )


@dataclass(frozen=True, slots=True)
class FromVariable:
    """A setting whose text stands in environment variable *name*; *otherwise* counts where that is empty."""

    name: str
    otherwise: str = ""

    def held(self, environ: Mapping[str, str]) -> str:
        """Return what the variable holds, without blanks around it; empty if it is not set."""
        return environ.get(self.name, "").strip()

    def text(self, environ: Mapping[str, str]) -> str:
        return self.held(environ) or self.otherwise


Setting: TypeAlias = str | FromVariable


@dataclass(frozen=True, slots=True)
class Limits:
    """*requests_per_second* and *plan_hours* None are no limit."""

    concurrency: int = 8
    requests_per_second: float | None = 20
    lease_seconds: float = 60
    plan_hours: float | None = None
    read_in_batches: bool = False
    repeated_send_days: float = 7


@dataclass(frozen=True, slots=True)
class EmbeddedEnvironment:
    """*seed* are paths relative to the project folder."""

    name: str
    seed: tuple[str, ...]
    budget: BudgetModel
    limits: Limits
    observe: Observe = Observe.LIVE
    writes: KeyClass = KeyClass.PRODUCTION


@dataclass(frozen=True, slots=True)
class LiveEnvironment:
    name: str
    app_id: Setting
    keys: KeysModel
    budget: BudgetModel
    limits: Limits
    observe: Observe = Observe.LIVE
    writes: KeyClass = KeyClass.PRODUCTION


Environment: TypeAlias = EmbeddedEnvironment | LiveEnvironment


@dataclass(frozen=True, slots=True)
class SpecPath:
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class Connection:
    """*place* is where the project file names it."""

    name: str
    url: Setting
    place: Place
    options: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """
    *journal* that is text is a path relative to the project folder. *place* is the document's ``kind`` line.

    Where specs are not named, their usual folder needn't be there.
    """

    name: str
    place: Place
    specs: tuple[SpecPath, ...]
    specs_are_named: bool
    journal: Setting
    default_environment: str | None
    environments: Mapping[str, Environment]
    sensitive: frozenset[str]
    increment_receipts: str | None
    moved: tuple[Move, ...] = ()
    connections: Mapping[str, Connection] = field(default_factory=dict)
    audit: AuditGoal | None = None
    variables_user: str | None = None


def build(document: ProjectDocument, place: Callable[[Path], Place], report: Report) -> ProjectFile:
    spec = document.spec
    limits = _limits(spec.limits, Limits())
    environments = {name: _environment(name, form, spec, limits) for name, form in spec.environments.items()}
    if not environments:
        observe = spec.observe or Observe.LIVE
        environments = {"sandbox": EmbeddedEnvironment("sandbox", (), spec.budget, _unpaced(limits), observe)}
    default = spec.default_environment
    if default is not None and default not in environments:
        report(
            ("spec", "defaultEnvironment"),
            "unknown environment",
            f"Choose one of: {', '.join(environments)}.",
        )
    if default is None and len(environments) == 1:
        default = next(iter(environments))
    _check_variables(spec, environments, report)
    return ProjectFile(
        name=document.metadata.name,
        place=place(("kind",)),
        specs=tuple(SpecPath(text, place(("spec", "specs", index))) for index, text in enumerate(spec.specs)),
        specs_are_named="specs" in spec.model_fields_set,
        journal=_setting(spec.journal),
        default_environment=default,
        environments=environments,
        sensitive=frozenset(spec.sensitive),
        increment_receipts=spec.increment_receipts,
        variables_user=spec.variables_user,
        moved=tuple(
            Move(each.former, each.name, place(("spec", "moved", index)))
            for index, each in enumerate(spec.moved)
        ),
        connections={
            name: Connection(
                name,
                _setting(each.url),
                place(("spec", "connections", name)),
                {option: _setting(value) for option, value in each.options.items()},
            )
            for name, each in spec.connections.items()
        },
        audit=AuditGoal(spec.audit.share, spec.audit.confidence) if spec.audit else None,
    )


def _check_variables(spec: ProjectSpec, environments: Mapping[str, Environment], report: Report) -> None:
    """An id or a journal's name is shown to people, so it must not come from a variable that holds a secret."""
    live = [each for each in environments.values() if isinstance(each, LiveEnvironment)]
    keys = {
        KEY_VARIABLE,
        *(
            name
            for each in (KeysModel(), *(each.keys for each in live))
            for name in each.model_dump().values()
        ),
    }
    addresses = {
        setting.env
        for setting in (
            spec.journal,
            *(each for found in spec.connections.values() for each in (found.url, *found.options.values())),
        )
        if isinstance(setting, FromEnvironment)
    }
    shown: list[tuple[Path, str | FromVariable, set[str]]] = [
        (("spec", "journal"), _setting(spec.journal), keys),
        *((("spec", "environments", each.name, "appId"), each.app_id, keys | addresses) for each in live),
    ]
    for path, setting, secrets in shown:
        if isinstance(setting, FromVariable) and setting.name in secrets:
            what = "a key" if setting.name in keys else "an address or a secret"
            report(
                path,
                f"{setting.name} contains {what}, which would be shown here",
                "Choose another variable.",
            )


def _environment(
    name: str, form: EmbeddedModel | LiveModel, spec: ProjectSpec, limits: Limits
) -> Environment:
    budget = form.budget or spec.budget
    own_limits = form.limits or LimitsModel()
    observe, writes = form.observe or spec.observe or Observe.LIVE, KeyClass.of_setting(form.writes)
    match form:
        case EmbeddedModel():
            return EmbeddedEnvironment(
                name, tuple(form.seed), budget, _limits(own_limits, _unpaced(limits)), observe, writes
            )
        case LiveModel():
            app_id = FromVariable("LEANPLUM_APP_ID") if form.app_id is None else _setting(form.app_id)
            return LiveEnvironment(
                name, app_id, form.keys or KeysModel(), budget, _limits(own_limits, limits), observe, writes
            )


def _unpaced(limits: Limits) -> Limits:
    """Nobody else uses an embedded emulator, so the project's rate doesn't hold for it."""
    return replace(limits, requests_per_second=None)


def _setting(form: str | FromEnvironment) -> Setting:
    return FromVariable(form.env, form.otherwise or "") if isinstance(form, FromEnvironment) else form


def _limits(model: LimitsModel, default: Limits) -> Limits:
    return replace(default, **model.model_dump(exclude_none=True))
