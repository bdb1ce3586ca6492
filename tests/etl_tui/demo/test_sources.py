"""The demo's GitHub and Jira: they come up, their jobs fit them, and a wheel carries all that they are."""

from __future__ import annotations

import ast
import json
import sys
import tomllib
from pathlib import Path

import pytest

from etl_core.connectors_registry import find_connector
from etl_core.control.secret_fields import protect_secrets, secret_fields
from etl_core.secret_references import resolve_secrets
from etl_tui.demo.jobs import demo_jobs
from etl_tui.demo.sources import simulated_sources

ROOT = Path(__file__).parents[3]


async def test_each_can_be_read_with_its_job_s_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = tmp_path / "elsewhere" / "tests"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").touch()
    monkeypatch.chdir(shadow.parent)  # a project whose tests are not ours
    with simulated_sources(tmp_path, limit_seconds=1) as sources:
        jobs = {job.type: job for job in demo_jobs(tmp_path, None, sources)}
        for name in ("github", "jira"):
            config = protect_secrets(name, jobs[name].config)
            kind = find_connector(name)
            connector = kind(kind.Config.model_validate(resolve_secrets(config, secret_fields(kind.Config))))
            assert {finding.state for finding in await connector.check() or ()} <= {"ok", "unknown"}
            assert "token" in json.dumps(config)
    assert not any(path.stat().st_size for path in tmp_path.glob("*.log"))


def test_what_a_wheel_carries_of_the_simulators_imports_no_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, target in carried.items():
        assert target.replace("etl_tui/demo/", "tests/") == source
        path = ROOT / source
        for file in path.glob("*.py") if path.is_dir() else [path]:
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    top = (node.module or "").split(".")[0]
                    assert top in sys.stdlib_module_names or top in ("aiohttp", "graphql", "jwt"), (file, top)
