"""What a connector is: the code that knows one kind of integration.

`Connector` is all of it; below it, in this order, is what its methods take and return. A worker does this::

    connector = GitConnector(GitConnector.Config.model_validate(config))
    context = ExtractContext(checkpoint=...)
    streams = await connector.discover(context)
    async for page in connector.extract(context):
        ...  # rows = [connector.transform(stream, record) for each record of the page]
        ...  # one transaction loads the rows and moves the checkpoint to page.checkpoint

A class is found by its type through the entry-point group `etl_tui.connectors`
(`etl_core.connectors_registry`). Ours live in `workers/connectors/<type>/`; an installed package may bring
others (`etl-tui connectors new` writes one). The command line uses `Config` and `check`, a worker the rest. A
connector holds no database connection and knows nothing of batches, leases or queues.
"""

from __future__ import annotations

import builtins
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from etl_core.backfill import Backfill as Backfill  # noqa: PLC0414 - connectors find all they need in here
from etl_core.backfill import Backfills as Backfills  # noqa: PLC0414
from etl_core.budgets import Budget as Budget  # noqa: PLC0414
from etl_core.budgets import Budgets as Budgets  # noqa: PLC0414
from etl_core.budgets import ProcessBudgets
from etl_core.errors import SourceError
from etl_core.run_log import RunLog, Unheard

Record = Mapping[str, Any]
"""One extracted record: field name -> JSON value (str, int, float, bool, None, list, dict).

A field that is absent keeps its old value in the destination; a field that is None becomes NULL.
"""

JsonObject = dict[str, Any]

SINGLE_PARTITION = "default"
"""The partition's name where a stream has just one."""

TRIAL_OPTION = "trial"
"""An option of a run that only looks (`connectors try`): {"records": 20, "stream": "orders"}. A connector may
then yield smaller pages sooner, of this stream alone; whoever asked stops after so many records."""


@runtime_checkable
class Connector(Protocol):
    """Four methods and three facts. Everything raised is a `SourceError` of `etl_core.errors`.

    Nothing blocks the event loop, and every await may be cancelled.
    """

    type: ClassVar[str]
    """The integration type, as in `integrations add --type`."""
    Config: ClassVar[builtins.type[BaseModel]]
    """The integration's configuration; forbids unknown fields, so that a typo is named."""
    default_max_runs: ClassVar[int | None] = 1
    """How many runs a new integration may have at once unless its owner says otherwise; None: no limit.

    A class that does not say has 1, which suits an API with one credential and one rate limit."""

    def __init__(self, config: Any) -> None: ...

    async def check(self) -> Sequence[Finding] | None:
        """What works, what the credential may read, and what is missing; changes nothing, takes seconds.

        None says that it works and no more. Raises a SourceError that says what to do where nothing at all
        can be read; what fails in part is a finding.
        """

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        """The streams this configuration yields, with their columns and keys."""

    def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        """Pages from where `context` says to go on, each with the checkpoint that is true once it is loaded.

        `discover` was called before on the same instance. After a Transient error it is called again on it,
        with the checkpoint as it is then.
        """

    def transform(self, stream: Stream, record: Record) -> Record:
        """From the source's record to a row of `stream` (field name -> value); raises BadRecord.

        A pure function: other instances, without secrets and before any `discover`, give the same row.
        """


# -- what check returns


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` looked at, as `integrations test` prints it."""

    what: str
    """What was looked at, in a word or two: "credential", "pull requests", "octo/app"."""
    state: Literal["ok", "missing", "failed", "unknown"]
    """ok: works, or may be read. missing: the credential lacks something that the configuration needs.
    failed: does not work. unknown: the source does not tell, or it was not reached."""
    detail: str
    """What was found, in one line, scopes and permissions by the source's own names; never a secret."""
    remedy: str = ""
    """What to do about it, in one line; "" where nothing is to be done."""


# -- what discover returns


class ColumnType(StrEnum):
    """The types a destination column can have (PostgreSQL's names)."""

    TEXT = "text"
    BIGINT = "bigint"
    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    TIMESTAMPTZ = "timestamptz"
    DATE = "date"
    UUID = "uuid"
    JSONB = "jsonb"


class Verbatim(str):
    """A numeric, timestamptz, date or jsonb as PostgreSQL writes it, which `transform` may give for one.

    It is loaded as it stands, for the destination to read: NaN, infinity, years before Christ and numbers of
    any length in JSON arrive as they were. What the destination cannot read is rejected alone.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a stream as it stands in the destination."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of record, which becomes a table."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    """The columns that identify a record; none: append-only, every record is a new row."""
    infer: bool = False
    """Fields that are not among `columns` (which may be empty) become columns as records have them."""
    full_refresh: bool = False
    """Every walk yields all records there are: what a whole walk did not yield is gone from the source, and
    is marked deleted. Needs a key; a walk is whole when its pages were loaded from the first to the one whose
    fragment has no `resume`. With several partitions each run walks all of them (`ExtractContext.wants`)."""
    parent: Parent | None = None
    """Its rows are marked deleted with the row of `parent.stream` that they belong to, and a page may hold
    all children of some parents (`Page.whole_of`)."""

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"stream {self.name}: a column name comes twice")
        missing = [name for name in self.key if name not in names]
        if missing and not self.infer:
            raise ValueError(f"stream {self.name}: key column {missing[0]!r} is not among its columns")
        if self.parent and (not self.key or (self.parent.column not in names and not self.infer)):
            raise ValueError(f"stream {self.name}: a child needs a key, and the column of its parent")


@dataclass(frozen=True, slots=True)
class Parent:
    """What the records of a stream belong to: a record of `stream`, whose only key `column` holds."""

    stream: str
    column: str


# -- what extract is given


@dataclass(frozen=True, slots=True)
class ExtractContext:
    """What `extract` gets: where to go on, and what the run was asked for."""

    checkpoint: Mapping[tuple[str, str], PartitionState] = field(default_factory=dict)
    """(stream, partition) -> state; an absent entry has never been loaded."""
    legacy_checkpoint: JsonObject | None = None
    """A document from before the streams had rows of their own, until the connector has upgraded it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    only: frozenset[tuple[str, str]] | None = None
    """(stream, partition) of what a retry has to do, where the rest went through; None: everything. A
    connector may do more."""
    backfill: Backfill | None = None
    """Set where the run reads a range alone (`Backfills`)."""
    budgets: Budgets = field(default_factory=ProcessBudgets)
    """The worker's; use `budget`."""
    log: RunLog = field(default_factory=Unheard)
    """The run's: what people should read of it (`etl-tui runs log`)."""

    def budget(self, credential: str, resource: str, *, capacity: int, per: timedelta) -> Budget:
        """The budget of a credential for a resource of its source (`github graphql`, `jira example.org`).

        `credential` is the token itself, or what else the source counts by; it is kept as a hash only. The
        same credential and resource are the same budget in every run of every worker.
        """
        return self.budgets.open(credential, resource, capacity=capacity, per=per)

    def wants(self, stream: str, partition: str = SINGLE_PARTITION) -> bool:
        """Whether this run is to read the partition."""
        if self.backfill is not None and not self.backfill.reads(stream):
            return False
        return self.only is None or (stream, partition) in self.only

    def state(self, stream: str, partition: str = SINGLE_PARTITION) -> PartitionState:
        return self.checkpoint.get((stream, partition), PartitionState())


@dataclass(frozen=True, slots=True)
class PartitionState:
    """The stored checkpoint of one partition, as the last loaded page left it."""

    bookmark: JsonObject | None = None
    resume: JsonObject | None = None


# -- what extract yields


@dataclass(frozen=True, slots=True)
class Page:
    """What is loaded in one transaction: records of one or several streams, and the checkpoint behind them.

    About 5,000 records or 4 MB a page is best. The fields behind `total` are for what is not plain.
    """

    lane: str
    """Pages of one lane are loaded strictly in order, lanes beside each other: pages that share a checkpoint
    value or may share a key belong to one lane."""
    records: Mapping[str, Sequence[Record]]
    """Stream -> records; may be empty: a page can carry a checkpoint alone."""
    checkpoint: Sequence[Fragment] = ()
    """What is true once this page, and all before it in its lane, are loaded."""
    total: int | None = None
    """Records that the connector expects in this run, if known; for progress only."""
    rejects: Sequence[Reject] = ()
    """Stored with the page as rejected records; the checkpoint passes them."""
    failures: Sequence[PartitionFailure] = ()
    """Partitions that the walk leaves out from here on; the page may hold nothing else."""
    whole_of: Mapping[str, Sequence[str | int]] = field(default_factory=dict)
    """Stream of children -> parents (values of its `parent.column`) of which the page holds all children that
    there are: other rows of theirs are marked deleted. Such a page has a checkpoint."""
    deleted: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    """Stream -> keys (column -> value) that the source says are gone once the page's records are loaded:
    their rows are marked deleted, and those of their children (`Stream.parent`). A key that the table does
    not have is no row, and a later record brings its row back. Such a page has a checkpoint."""

    seen: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    """Stream -> keys (column -> value) of records that are there and were not read: a walk of a
    `full_refresh` stream has met them, and no row is made or changed. Such a page has a checkpoint."""
    goes_on: bool = True
    """Whether a run that is broken off behind this page goes on from it, and does not read anew what it had.
    Where not, the run does not give way to others that wait for its slot: it might never come to its end."""

    def __post_init__(self) -> None:
        if (self.whole_of or self.deleted or self.seen) and not self.checkpoint:
            raise ValueError("a page that tells what is gone, or there, has a checkpoint, too")
        alone = [f.stream for f in self.checkpoint if f.covers]
        if any(sum(f.stream == stream for f in self.checkpoint) > 1 for stream in alone):
            raise ValueError("a fragment with `covers` is the only one of its stream in its page")


@dataclass(frozen=True, slots=True)
class Fragment:
    """Where one partition of a stream stands after a page. It replaces both stored values."""

    stream: str
    partition: str
    bookmark: JsonObject | None
    """Durable: the next run starts there. It moves where a walk is complete, and stays in mid-walk."""
    resume: JsonObject | None = None
    """Short-lived: continues a walk that was broken off; None says that the walk is complete. It may be
    dropped at any time, and then the bookmark must do."""
    covers: Covers | None = None
    """Of a fragment that ends the walk of a `full_refresh` stream: only these rows are gone if the walk did
    not yield them. Such a walk is judged alone, without those of other partitions; its page has no other
    fragment of the stream."""
    begins_anew: bool = False
    """The walk was begun again in this page, at its beginning: what it saw before counts no more."""


@dataclass(frozen=True, slots=True)
class Reject:
    """What the source delivered in place of a record of `stream`, and why it is no record.

    For what cannot even be read as one: a torn CSV row, a line that is no JSON. A record that can be read but
    not used is yielded as usual and refused by `transform` with BadRecord. `payload` is the raw text,
    shortened by the connector to a few kilobytes.
    """

    stream: str
    reason: str
    payload: str


@dataclass(frozen=True, slots=True)
class PartitionFailure:
    """A partition that cannot be read now; the walk goes on with the others.

    The run ends FAILED and names it. Its retry is given only what failed (`ExtractContext.only`).
    """

    stream: str
    partition: str
    error: SourceError


@dataclass(frozen=True, slots=True)
class Covers:
    """The rows that a walk was about: those whose `column` has one of `values`, compared as text."""

    column: str
    values: Sequence[str]


# -- what a connector may have besides


@runtime_checkable
class FixedStreams(Protocol):
    """What a connector has whose streams are the same whatever its configuration."""

    stream_names: ClassVar[Sequence[str]]
    """As `connectors list` names them."""


@runtime_checkable
class CheckedCheckpoint(Protocol):
    """What a connector has whose values are of one form in all streams: what people edit is checked by it."""

    Bookmark: ClassVar[builtins.type[BaseModel]]
    Resume: ClassVar[builtins.type[BaseModel]]


@runtime_checkable
class CheckpointByStream(Protocol):
    """The same of a connector whose streams or partitions differ; it comes before `CheckedCheckpoint`."""

    @classmethod
    def checkpoint_models(
        cls, stream: str, partition: str
    ) -> tuple[builtins.type[BaseModel], builtins.type[BaseModel]] | None:
        """Bookmark and resume, as `extract` writes them now; None: it knows no such partition."""


@runtime_checkable
class VersionedCheckpoint(Protocol):
    """What a connector has whose bookmark or resume changed its form since the first version (which is 1)."""

    checkpoint_version: ClassVar[int]
    """Of the form that `extract` writes now; counts up from 2."""

    @classmethod
    def upgrade_state(
        cls, stream: str, partition: str, state: PartitionState, version: int
    ) -> PartitionState:
        """From the form of `version` to the present one: a pure function, for every older version."""


@runtime_checkable
class LegacyCheckpoint(Protocol):
    """What a connector has that can read documents from before the streams had rows of their own."""

    @classmethod
    def upgrade_legacy(cls, document: JsonObject) -> Mapping[tuple[str, str], PartitionState]:
        """(stream, partition) -> state in the present form: a pure function; a SourceError if it cannot."""
