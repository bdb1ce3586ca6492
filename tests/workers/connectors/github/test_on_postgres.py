"""A real worker loads it into PostgreSQL."""

from __future__ import annotations

import pytest

from tests.simulators.github import SMALL, GitHubSimulator, make_world, serve_github
from tests.simulators.github.access import TOKEN
from tests.support.jobs import make_job
from tests.workers.running import Hand


async def test_loaded_into_tables(worker: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_GITHUB_TOKEN", TOKEN)
    async with serve_github(GitHubSimulator(make_world(3, SMALL))) as github:
        config = {"api_url": github.url, "token": "env:A_GITHUB_TOKEN", "owners": ["octo"]}
        job = await make_job(worker.db, integration="github", kind="github", config=config)
        run = await worker.run(job)
        assert (run["state"], run["error_message"]) == ("SUCCEEDED", None)
        history = github.world.history
        for stream in ("repositories", "pull_requests", "review_comments", "commits", "workflow_runs"):
            count = await worker.db.fetchval(f"SELECT count(*) FROM acme_github.{stream}")
            assert count == history.count(stream), stream

        pull = github.world.find_repository("octo/app")["_pull_requests"][0]  # type: ignore[index]  # it is there
        github.world.remove(pull["_comments"][0], pull["_comments"])
        github.world.touch(pull, title="changed")
        run = await worker.run(job)
        assert run["state"] == "SUCCEEDED"
        counts = await worker.db.fetchrow(
            "SELECT sum((counts->>'rows_new')::int) AS new, sum((counts->>'rows_changed')::int) AS changed,"
            " sum((counts->>'rows_deleted')::int) AS deleted FROM run_batches WHERE run_id = $1",
            run["id"],
        )
        assert counts is not None
        assert tuple(counts) == (0, 1, 1), "an overlap read again changes nothing"
        gone = "SELECT count(*) FROM acme_github.pull_request_comments WHERE _deleted_at IS NOT NULL"
        assert await worker.db.fetchval(gone) == 1
