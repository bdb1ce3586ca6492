"""The contract suite finds what it is there to find: a sound connector passes, each defect fails its test."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from pydantic import BaseModel, ConfigDict

from etl_core.connector import Column, ColumnType, ExtractContext, Finding, Fragment, Page, Record, Stream
from etl_core.errors import BadRecord, Permanent
from etl_core.stored_state import read_state
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from etl_core.testing.contract import resources

NOTES = Stream("notes", (Column("id", ColumnType.TEXT), Column("text", ColumnType.TEXT)), key=("id",))
BAD = "bad"


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Position(BaseModel):
    model_config = ConfigDict(extra="forbid")

    at: int
    id: int


class Notes:
    """Notes in the order of their times, in pages; with at most one defect."""

    type: ClassVar[str] = "notes"
    Config: ClassVar[builtins.type[BaseModel]] = Config
    Bookmark: ClassVar[builtins.type[BaseModel]] = Position
    Resume: ClassVar[builtins.type[BaseModel]] = Position
    default_max_runs: ClassVar[int | None] = 1
    hoard: ClassVar[list[Any]] = []

    def __init__(self, case: NotesCase) -> None:
        self._case = case
        self._defect = case.defect
        self._seen = 0

    async def check(self) -> Sequence[Finding]:
        return [Finding("notes", "failed" if self._defect == "cries wolf" else "ok", "there")]

    async def discover(self, context: ExtractContext) -> Sequence[Stream]:
        return [NOTES]

    async def extract(self, context: ExtractContext) -> AsyncIterator[Page]:
        if self._defect == "blind to edits":
            state = context.state("notes")
            bookmark = Position.model_construct(**state.bookmark) if state.bookmark else None
            resume = Position.model_construct(**state.resume) if state.resume else None
        else:
            bookmark, resume = read_state(context, "notes", "default", Position, Position)
        if resume:
            after = (resume.at, resume.id)
        else:  # notes of the bookmark's own moment come again: one may have come late
            after = (bookmark.at, bookmark.id if self._defect == "skips ties" else 0) if bookmark else (0, 0)
        while True:
            found = [note for note in self._case.in_order() if (note["at"], note["number"]) > after]
            if not found:
                return
            size = self._case.page_size
            page, more = found[:size], len(found) > size
            after = (page[-1]["at"], page[-1]["number"])
            position = Position(at=after[0], id=after[1])
            if self._defect == "resumes too late" and more:
                position.id += 1
            records = [self._record(note) for note in page]
            if self._defect == "stops at a bad record" and any(r["text"] == BAD for r in records):
                raise Permanent("a record is bad")
            if self._defect == "hoards":
                self.hoard.extend(records)
            self._seen += 1
            fragment = Fragment(
                "notes",
                "default",
                bookmark=bookmark.model_dump() if bookmark else None,
                resume=position.model_dump(),
            )
            if not more and self._defect != "never ends":
                fragment = Fragment("notes", "default", bookmark=position.model_dump())
            elif self._defect == "bookmark ahead":
                newest = self._case.in_order()[-1]
                fragment = Fragment(
                    "notes", "default", bookmark=Position(at=newest["at"], id=newest["number"]).model_dump()
                )
            elif self._defect == "bookmark of another form":
                fragment = Fragment("notes", "default", None, {**position.model_dump(), "at": str(after[0])})
            lane = f"lane {self._seen % 2}" if self._defect == "two lanes" else "notes"
            yield Page(lane, {"notes": records}, [fragment])
            if self._defect == "deaf":
                await _finish_first()
            if not more:
                return

    def transform(self, stream: Stream, record: Record) -> Record:
        if record["text"] == BAD:
            raise BadRecord("a bad note")
        if self._defect == "remembers in transform":
            return {**record, "text": f"{record['text']} {self._seen > 0}"}
        if self._defect == "changes the record" and isinstance(record, dict):
            record["text"] = record["text"].strip() + "!"
        return record

    def _record(self, note: dict[str, Any]) -> dict[str, Any]:
        key = str(uuid4()) if self._defect == "another key each time" else str(note["number"])
        return {"id": key, "text": note["text"]}


async def _finish_first() -> None:
    """What swallows a cancellation until its own work is done."""
    work = asyncio.ensure_future(asyncio.sleep(0.3))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await work
        raise


class NotesCase(ConnectorCase):
    many = 4_000
    overlap = True

    def __init__(self, defect: str | None) -> None:
        self.defect = defect
        self.page_size = 3
        self._notes: list[dict[str, Any]] = []
        self._clock = 1
        self._changes = 0

    def connector(self) -> Any:
        return Notes(self)

    def in_order(self) -> list[dict[str, Any]]:
        return sorted(self._notes, key=lambda note: (note["at"], note["number"]))

    async def fill(self, count: int) -> None:
        self.page_size = 3 if count < 100 else 100
        for _ in range(count):
            self._add("x" * 600)

    async def change(self) -> None:
        """The first change is of the very moment of the last one before."""
        self._changes += 1
        self._notes[0] |= {"text": f"changed {self._changes}", "at": self._clock}
        self._add("new")
        self._clock += 1
        self._notes[1] |= {"text": f"changed {self._changes}", "at": self._clock}

    async def spoil(self) -> int:
        self._add(BAD)
        return 1

    def expected(self) -> Expected:
        good = [note for note in self._notes if note["text"] != BAD]
        return {"notes": {(str(note["number"]),): {"text": note["text"]} for note in good}}

    def _add(self, text: str) -> None:
        number = len(self._notes) + 1
        self._clock += number % 2
        self._notes.append({"number": number, "text": text, "at": self._clock})


DEFECTS = {
    "cries wolf": "test_check_tells_in_lines_what_may_be_read",
    "never ends": "test_one_run_yields_the_whole_source",
    "two lanes": "test_pages_of_one_partition_share_a_lane",
    "changes the record": "test_transform_is_pure",
    "remembers in transform": "test_transform_is_pure",
    "stops at a bad record": "test_a_bad_record_is_rejected_alone",
    "resumes too late": "test_killed_after_any_page_and_resumed_gives_the_same",
    "another key each time": "test_each_page_twice_gives_the_same_rows",
    "bookmark ahead": "test_no_bookmark_runs_ahead_of_the_data",
    "bookmark of another form": "test_checkpoint_models_read_back_what_they_wrote",
    "blind to edits": "test_an_edited_checkpoint_that_cannot_be_read_is_told",
    "skips ties": "test_what_changes_between_runs_is_found",
    "deaf": "test_cancelled_in_mid_walk_it_ends_in_time_and_can_go_on",
    "hoards": "test_memory_stays_flat_over_a_large_walk",
}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of waiting are made short; one try must do for the one that never hears."""
    monkeypatch.setattr(resources, "CANCEL_SECONDS", 0.2)
    monkeypatch.setattr(Notes, "hoard", [])


@pytest.mark.parametrize(("defect", "test"), DEFECTS.items())
async def test_a_defect_fails_its_test(defect: str, test: str) -> None:
    with pytest.raises((Exception, pytest.fail.Exception)):
        await getattr(ConnectorContract(), test)(NotesCase(defect))


class TestSound(ConnectorContract):
    """The same connector without a defect passes all; it has no entry point."""

    @pytest.fixture
    def case(self) -> ConnectorCase:
        return NotesCase(None)

    async def test_is_a_connector_of_its_type(self, case: ConnectorCase) -> None:
        """Nothing is installed for it."""
