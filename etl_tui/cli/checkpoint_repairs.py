"""`etl-tui checkpoint set|edit|rewind|drop-resume|clear`: what moves a checkpoint, and what that would do."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from etl_core.models.checkpoint import RepairPlan
    from etl_core.rules.checkpoints.diff import DocumentDiff, ValueChange
    from etl_core.rules.checkpoints.repairs import Repair, Scope
    from etl_core.store.database import Connection
    from etl_tui.cli.context import Context
    from etl_tui.cli.output import Output
    from etl_tui.cli.parser import Subparsers

MOST_PARTITIONS = 200
"""So many partitions of a change are listed for people."""

_REFUSED = """
Refused while the job runs, and cut as a version with the reason, so that it can be undone: `checkpoint
rewind` to the version before. --dry-run tells what would happen and changes nothing."""


def add_commands(group: Subparsers) -> None:
    """Adds the commands that change something."""
    from etl_tui.cli import checkpoint_edit

    given = add_command(
        group,
        "set",
        set_document,
        summary="replace the whole checkpoint by a document",
        description="Takes a document as `checkpoint show` prints it, from standard input or a file.\n"
        "Values are checked against the connector's models, each problem is named by its path." + _REFUSED,
        example='etl-tui checkpoint set acme/airports --file saved.json --reason "back to Friday"',
    )
    add_job(given)
    given.add_argument("--file", metavar="F", help="read it from this file (-: standard input, as without)")
    add_change(given)
    checkpoint_edit.add_command_to(group, _REFUSED)
    back = add_command(
        group,
        "rewind",
        rewind,
        summary="back to a version, or to how it was at a time",
        description="Brings a checkpoint back to a version of `checkpoint history`, or to the one that held\n"
        "at a time (yesterday 18:00, 2026-11-29 18:00, 2h): all of it, a stream, or a partition." + _REFUSED,
        example='etl-tui checkpoint rewind acme/airports --to "yesterday 18:00" --reason "bad deploy"',
    )
    add_job(back)
    back.add_argument("version", metavar="VERSION", nargs="?", help="15 or v15; 0: before the first")
    back.add_argument("--to", metavar="TIME", help="the version that held then")
    _add_scope(back)
    add_change(back)
    drop = add_command(
        group,
        "drop-resume",
        drop_resume,
        summary="keep the bookmarks, begin broken walks again: first aid for a bad cursor",
        description="Drops the resume part: walks that were broken off begin again at their bookmarks."
        + _REFUSED,
        example='etl-tui checkpoint drop-resume acme/GitHub --reason "cursor expired"',
    )
    add_job(drop)
    _add_scope(drop)
    add_change(drop)
    clear = add_command(
        group,
        "clear",
        clear_some,
        summary="forget where a job stands: its next run reads everything again",
        description="Forgets where a job stands, so that its next run reads everything again. Data that is\n"
        "loaded stays: records with a key are compared, not doubled; without one they are appended again."
        + _REFUSED,
        example='etl-tui checkpoint clear acme/airports --reason "key changed to iata"',
    )
    add_job(clear)
    _add_scope(clear)
    add_change(clear)


def add_job(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="its id, or TENANT/JOB_NAME")


def _add_scope(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stream", metavar="S", help="only this stream")
    parser.add_argument("--partition", metavar="P", help="only this partition, of all streams or the one")


def add_change(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", metavar="TEXT", help="kept with the version and in the audit; needed")
    parser.add_argument("--dry-run", action="store_true", help="tell what would happen, change nothing")
    parser.add_argument(
        "--expected-version", metavar="N", help="refuse if the checkpoint is of another version by now"
    )


async def set_document(arguments: argparse.Namespace, context: Context) -> int:
    """`--json`: a RepairDone, or with `--dry-run` the plan."""
    from etl_core.control.checkpoints import parse_document
    from etl_core.rules.checkpoints.repairs import SetDocument

    expect_reason(arguments)
    text = _read(arguments.file)
    return await change(arguments, context, SetDocument(parse_document(text)), "set")


async def rewind(arguments: argparse.Namespace, context: Context) -> int:
    """`--json`: a RepairDone, or with `--dry-run` the plan."""
    from etl_core.control.feed import read_clock
    from etl_core.rules.checkpoints.repairs import Rewind
    from etl_tui.cli.quantities import past_moment

    if (arguments.version is None) is (arguments.to is None):
        raise InvalidInput("checkpoint rewind: give a VERSION or --to TIME; `checkpoint history` shows both")
    expect_reason(arguments)
    if arguments.version is not None:
        number = version_number(arguments.version)
        return await change(arguments, context, Rewind(number, scope_of(arguments)), "rewound")
    async with context.connection() as conn:
        now = await read_clock(conn)
        moment = past_moment("--to", arguments.to, now)
        return await change(arguments, context, Rewind(moment, scope_of(arguments)), "rewound", conn=conn)


async def drop_resume(arguments: argparse.Namespace, context: Context) -> int:
    """`--json`: a RepairDone, or with `--dry-run` the plan."""
    from etl_core.rules.checkpoints.repairs import DropResume

    expect_reason(arguments)
    return await change(arguments, context, DropResume(scope_of(arguments)), "resume parts dropped")


async def clear_some(arguments: argparse.Namespace, context: Context) -> int:
    """`--json`: a RepairDone, or with `--dry-run` the plan."""
    from etl_core.rules.checkpoints.repairs import Clear

    expect_reason(arguments)
    return await change(arguments, context, Clear(scope_of(arguments)), "cleared")


async def change(
    arguments: argparse.Namespace,
    context: Context,
    repair: Repair,
    verb: str,
    *,
    conn: Connection | None = None,
    expected_version: int | None = None,
) -> int:
    """Does a repair, or tells what it would do."""
    if conn is None:
        async with context.connection() as opened:
            return await change(
                arguments, context, repair, verb, conn=opened, expected_version=expected_version
            )
    from etl_core.control import checkpoints
    from etl_core.control.audit import Actor
    from etl_core.control.jobs import find_job

    job_id = await find_job(conn, arguments.job, tenant=context.settings.tenant)
    if arguments.expected_version is not None:
        expected_version = version_number(arguments.expected_version)
    planned = await checkpoints.plan(conn, job_id, repair, expected_version=expected_version)
    if arguments.dry_run:
        _print_plan(planned, context.output)
        return ExitCode.DONE if planned.refusal is None else ExitCode.CONFLICT
    done = await checkpoints.repair(
        conn,
        job_id,
        repair,
        Actor.current(),
        reason=arguments.reason,
        expected_version=planned.version if expected_version is None else expected_version,
    )
    if context.output.json:
        context.output.emit({**done.model_dump(), "what_will_happen": planned.consequences.sentences})
        return ExitCode.DONE
    name = one_line(done.job_name)
    if not done.changed:
        context.output.line(f"{name}: nothing changed, it is v{done.version} as before")
        return ExitCode.DONE
    context.output.line(f"{name}: checkpoint {verb} (v{done.version})")
    for sentence in planned.consequences.sentences:
        context.output.line(f"  {one_line(sentence)}")
    for warning in done.warnings:
        context.output.notice(f"beware: {warning}")
    context.output.line(f"undo: etl-tui checkpoint rewind {name} {done.before_version} --reason ...")
    return ExitCode.DONE


def _print_plan(planned: RepairPlan, output: Output) -> None:
    from etl_core.rules.checkpoints.diff import Change
    from etl_core.rules.checkpoints.exact_json import dump
    from etl_core.rules.checkpoints.summaries import headline

    effects = planned.consequences
    if output.json:
        document = {
            "dry_run": True,
            "job_id": planned.job_id,
            "job_name": planned.job_name,
            "version": planned.version,
            "to_version": planned.to_version,
            "refusal": planned.refusal,
            "headline": headline(planned.difference),
            **{change.value: planned.difference.count(change) for change in Change},
            "what_will_happen": list(effects.sentences),
            "rows": effects.rows,
            "streams": [
                {
                    "stream": one.stream,
                    "effect": one.effect.name.lower(),
                    "partitions": one.partitions,
                    "of_partitions": one.of_partitions,
                    "since": one.since and one.since.isoformat(),
                    "rows": one.rows,
                }
                for one in effects.streams
            ],
            "warnings": list(planned.warnings),
            "partitions": changes_as_json(planned.difference),
        }
        output.emit_text(dump(document, indent=2))
        return
    target = f" → v{planned.to_version}" if planned.to_version is not None else ""
    output.line(f"{one_line(planned.job_name)} v{planned.version}{target}: {headline(planned.difference)}")
    print_changes(planned.difference, output)
    if not planned.difference.is_empty:
        output.line("what will happen:")
        for sentence in effects.sentences:
            output.line(f"  {one_line(sentence)}")
    for warning in planned.warnings:
        output.line(f"beware: {one_line(warning)}")
    if planned.refusal:
        output.line(f"refused now: {one_line(planned.refusal)}")
    output.line("nothing was changed (--dry-run)")


def print_changes(difference: DocumentDiff, output: Output, *, with_values: int = 0) -> None:
    """A line for each partition, by stream; its values where there are few partitions."""
    from itertools import groupby

    from etl_core.rules.checkpoints.summaries import summary, value_text

    marks = {"new": "+", "changed": "~", "gone": "-"}
    shown = difference.partitions[:MOST_PARTITIONS]
    for stream, changes in groupby(shown, key=lambda one: one.place.stream):
        output.line(one_line(stream))
        for change in changes:
            told = one_line(f"{change.place.partition}: {summary(change)}")
            output.line(f"  {marks[change.change]} {told}")
            if len(difference.partitions) <= with_values and change.change == "changed":
                for value in change.values():
                    sides = f"{value_text(value.before)} → {value_text(value.after)}"
                    output.line(f"      {one_line(value.path)}  {one_line(sides)}")
    if len(shown) < len(difference.partitions):
        output.line(f"and {len(difference.partitions) - len(shown):,} more partitions")


def changes_as_json(difference: DocumentDiff) -> list[dict[str, Any]]:
    """Partitions that differ, with their values; numbers are exact."""
    from etl_core.rules.checkpoints.summaries import summary

    return [
        {
            "stream": one.place.stream,
            "partition": one.place.partition,
            "change": one.change.value,
            "summary": summary(one),
            "values": values_as_json(one.values()),
        }
        for one in difference.partitions
    ]


def values_as_json(values: Iterable[ValueChange]) -> list[dict[str, Any]]:
    return [
        {"path": one.path, "change": one.change.value, "before": one.before, "after": one.after}
        for one in values
    ]


def scope_of(arguments: argparse.Namespace) -> Scope:
    from etl_core.rules.checkpoints.repairs import Scope

    return Scope(arguments.stream, arguments.partition)


def version_number(text: str) -> int:
    """Of `15` or `v15`; raises InvalidInput."""
    digits = text.strip().lower().removeprefix("v")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise InvalidInput(f"{text!r} is no version; write 15 or v15, `checkpoint history` shows all")
    return int(digits)


def expect_reason(arguments: argparse.Namespace) -> None:
    if not arguments.dry_run and not (arguments.reason or "").strip():
        raise InvalidInput(
            "changing a checkpoint needs a --reason: others will ask why it was moved (--dry-run needs none)"
        )


def _read(file: str | None) -> str:
    try:
        if file in (None, "-"):
            if sys.stdin.isatty():
                sys.stderr.write("the document, then ctrl+d:\n")
            return sys.stdin.buffer.read().decode()
        return Path(file or "").read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file or 'standard input'}: no text in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise InvalidInput(f"{file}: {error.strerror}") from None
