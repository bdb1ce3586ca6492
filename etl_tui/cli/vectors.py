"""`etl-tui integrations vectorize` and `etl-tui search`: rows found by what their text means."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from etl_core.errors import ExitCode, InvalidInput
from etl_tui.cli.integration_names import add_names, names_of
from etl_tui.cli.output import one_line
from etl_tui.cli.parser import add_command
from etl_tui.cli.quantities import count

if TYPE_CHECKING:
    from etl_core.models.vectors import SearchAnswer, VectorizedRow
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DESCRIPTION = """\
Chooses text columns of a stream; workers embed them and keep the vectors in <table>_vectors beside the data,
for new and changed rows only. Needs pgvector. Without --stream: what is vectorized, and how far that is.

An option that is not given stays as it is set. Another model embeds all rows anew, in the background; a
search finds those that are done. --provider http is any OpenAI-compatible endpoint (Ollama, vLLM, OpenAI)."""

_WIDTH = 100
"""Characters of a row's text that a search shows."""


def register(subparsers: Subparsers) -> None:
    """Adds `search`."""
    find = add_command(
        subparsers,
        "search",
        search_one,
        summary="rows of a vectorized stream by what their text means",
        description="The rows whose text is nearest to TEXT, best first. Asks the model that embedded them.\n"
        "--json prints an array of {score, tenant, job, stream, key, text, record}.",
        example='etl-tui search "crash on startup" --stream issues',
    )
    find.add_argument("text", metavar="TEXT", help="what to look for, in words")
    find.add_argument("--stream", required=True, metavar="S", help="the stream to search in")
    find.add_argument("--job", metavar="TENANT/JOB", help="its job, where several have such a stream")
    find.add_argument("--limit", default="10", metavar="N", help="rows at most, 1 to 1,000; default: 10")


def register_vectorize(group: Subparsers) -> None:
    """Adds `integrations vectorize`."""
    change = add_command(
        group,
        "vectorize",
        vectorize,
        summary="embed text columns of a stream, for `etl-tui search`",
        description=DESCRIPTION,
        example="etl-tui integrations vectorize acme app --stream commits --columns message",
    )
    add_names(change)
    change.add_argument("--stream", metavar="S", help="the stream; default: list all")
    change.add_argument("--columns", metavar="A,B", help="its text columns, in this order")
    change.add_argument(
        "--provider",
        choices=("local", "http"),
        help="where the model is; default: local, a small English one",
    )
    change.add_argument(
        "--model", metavar="NAME", help="local: wordllama-256, -128 or -64; http: as it is there"
    )
    change.add_argument("--url", metavar="URL", help="http: what comes before /embeddings")
    change.add_argument(
        "--api-key", metavar="REF", help="http: env:NAME or file:/path, read where it is used"
    )
    change.add_argument("--dimension", metavar="N", help="numbers in a vector; default: what the model gives")
    change.add_argument("--batch-size", metavar="N", help="texts in a request; default: 64")
    change.add_argument("--max-chars", metavar="N", help="embed so many characters of a row; default: 8000")
    change.add_argument("--off", action="store_true", help="stop; the vectors stay where they are")


async def vectorize(arguments: argparse.Namespace, context: Context) -> int:
    """Lists, sets or ends; `--json`: an array of VectorizedRow, the VectorSettings, or {stream, off}."""
    from etl_core.control.audit import Actor
    from etl_core.control.vectors import stop_vectorizing
    from etl_core.control.vectors import vectorize as set_vectorizing
    from etl_core.models.vectors import VectorRequest

    arguments.tenant, arguments.name = names_of(arguments)
    numbers = {
        name: count(f"--{name.replace('_', '-')}", text) if text is not None else None
        for name, text in (
            ("dimension", arguments.dimension),
            ("batch_size", arguments.batch_size),
            ("max_chars", arguments.max_chars),
        )
    }
    columns = None
    if arguments.columns is not None:
        columns = [name.strip() for name in arguments.columns.split(",")]
    request = VectorRequest(
        text_columns=columns,
        provider=arguments.provider,
        model=arguments.model,
        url=arguments.url,
        api_key=arguments.api_key,
        **numbers,
    )
    given = request != VectorRequest()
    if arguments.stream is None:
        if given or arguments.off:
            raise InvalidInput("name the stream with --stream")
        return await _list(arguments, context)
    if arguments.off and given:
        raise InvalidInput("--off takes no other option than --stream")
    of = {"tenant": arguments.tenant, "integration": arguments.name, "stream": arguments.stream}
    async with context.connection() as conn:
        if arguments.off:
            await stop_vectorizing(conn, **of, actor=Actor.current())
        else:
            settings = await set_vectorizing(conn, **of, request=request, actor=Actor.current())
    named = f"stream {arguments.stream} of {arguments.tenant}/{arguments.name}"
    if arguments.off:
        if context.output.json:
            context.output.emit({"stream": arguments.stream, "off": True})
        context.output.line(f"{named} is no longer vectorized; its vectors stay")
    elif context.output.json:
        context.output.emit(settings)
    else:
        context.output.line(
            f"{named}: {', '.join(settings.text_columns)} embedded by model {settings.model}; "
            f'`etl-tui search "..." --stream {arguments.stream}` finds what workers have done'
        )
    return ExitCode.DONE


async def _list(arguments: argparse.Namespace, context: Context) -> int:
    from etl_core.control.integrations import list_integrations
    from etl_core.control.vectors import list_vectorized
    from etl_core.errors import NotFound

    async with context.connection() as conn:
        known = [row.name for row in await list_integrations(conn, tenant=arguments.tenant)]
        if arguments.name not in known:
            raise NotFound(
                f"{arguments.tenant} has no integration {arguments.name!r}; "
                "`etl-tui integrations list` shows all"
            )
        rows = await list_vectorized(conn, tenant=arguments.tenant, integration=arguments.name)
    if context.output.json:
        context.output.emit(rows)
    elif not rows:
        context.output.line("nothing is vectorized; --stream S --columns a,b begins it")
    else:
        context.output.table(
            ("STREAM", "COLUMNS", "MODEL", "DIMENSION", "VECTORS", "ROWS", "REFUSED", "NOTE"),
            [
                (
                    row.stream,
                    ", ".join(row.text_columns),
                    f"{row.provider}:{row.model}",
                    row.dimension,
                    row.rows_embedded,
                    row.rows_live,
                    row.rows_refused or None,
                    _note(row),
                )
                for row in rows
            ],
        )
    return ExitCode.DONE


def _note(row: VectorizedRow) -> str | None:
    if row.table_name is None:
        return "not loaded yet"
    if row.error:
        return f"rests after {row.failures} failure{'' if row.failures == 1 else 's'}: {row.error}"
    return "under way" if row.under_way else None


async def search_one(arguments: argparse.Namespace, context: Context) -> int:
    """Prints the rows found; `--json`: an array of SearchHit."""
    from etl_core.control.jobs import find_job
    from etl_core.control.vectors import search

    limit = count("--limit", arguments.limit)
    tenant = context.settings.tenant
    async with context.connection() as conn:
        job_id = None
        if arguments.job is not None:
            job_id = await find_job(conn, arguments.job, tenant=tenant)
        answer = await search(
            conn, arguments.text, stream=arguments.stream, limit=limit, job_id=job_id, tenant=tenant
        )
    if context.output.json:
        context.output.emit(answer.hits)
    else:
        context.output.table(
            ("SCORE", "KEY", "TEXT"),
            [
                (f"{hit.score:.3f}", " ".join(str(value) for value in hit.key.values()), _shortened(hit.text))
                for hit in answer.hits
            ],
        )
    _tell_coverage(answer, context)
    return ExitCode.DONE


def _tell_coverage(answer: SearchAnswer, context: Context) -> None:
    if answer.rows_embedded < answer.rows_live:
        context.output.notice(
            f"{answer.rows_embedded:,} of {answer.rows_live:,} rows have a vector of {answer.model}; "
            "the others have no text, or are still to be embedded"
        )


def _shortened(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"
