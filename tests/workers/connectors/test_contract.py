"""Our connectors that need no simulator, held to what every connector must do."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from etl_core.connector import Connector
from etl_core.testing.case import ConnectorCase, Expected
from etl_core.testing.connector_contract import ConnectorContract
from tests.workers.connectors.repositories import Repo
from workers.connectors.files import FilesConnector
from workers.connectors.files import pages as file_pages
from workers.connectors.files.config import FilesConfig
from workers.connectors.files.formats import parquet
from workers.connectors.git import GitConnector
from workers.connectors.git import walk as git_walk
from workers.connectors.git.config import GitConfig
from workers.connectors.synthetic import SyntheticConnector
from workers.connectors.synthetic.config import SyntheticConfig
from workers.connectors.synthetic.records import in_share, make_record, stream_seed


class SyntheticCase(ConnectorCase):
    """Two streams of three partitions; its source is its configuration."""

    many = 2_000

    def __init__(self) -> None:
        self.records = 0
        self.bad_rate = 0.0

    def connector(self) -> Connector:
        page_size = 4 if self.records < 100 else 80
        config = SyntheticConfig(
            records=self.records, page_size=page_size, streams=2, partitions=3, bad_rate=self.bad_rate
        )
        return SyntheticConnector(config)

    async def fill(self, count: int) -> None:
        self.records = count

    async def change(self) -> None:
        self.records += 2

    async def spoil(self) -> int:
        self.bad_rate = 1.5 / self.records
        return 2  # one in each stream

    def expected(self) -> Expected:
        numbers = range(1, self.records + 1)
        good = [n for n in numbers if not (self.bad_rate and in_share(n - 1, self.bad_rate))]
        return {
            name: {(n,): make_record(stream_seed(0, at), n, 0) for n in good}
            for at, name in enumerate(("records", "records_2"))
        }


class TestSynthetic(ConnectorContract):
    @pytest.fixture
    def case(self) -> ConnectorCase:
        return SyntheticCase()


class FilesCase(ConnectorCase):
    """Three files of one stream, with line ends inside a field."""

    def __init__(self, folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._suffix = suffix
        self._monkeypatch = monkeypatch
        self._files: dict[str, dict[str, str]] = {"a": {}, "b": {}, "c": {}}
        self._changes = 0

    def connector(self) -> Connector:
        path = f"{self._folder}/*.{self._suffix}"
        return FilesConnector(FilesConfig(path=path, stream="notes", key=("id",), min_age_s=0))

    async def fill(self, count: int) -> None:
        self._monkeypatch.setattr(file_pages, "PAGE_RECORDS", 3 if count < 100 else 200)
        self._monkeypatch.setattr(parquet, "MOST_ROWS", 200)
        for number in range(count):
            self._files["abc"[number * 3 // count]][f"n{number}"] = f"line one\nline {number} {'x' * 400}"
        for name in self._files:
            self._write(name)

    async def change(self) -> None:
        self._changes += 1
        notes = self._files["b"]
        notes[next(iter(notes))] = f"changed {self._changes}"
        notes[f"new{self._changes}"] = "new"
        self._write("b")

    async def spoil(self) -> int:
        path = self._path("b")
        match self._suffix:
            case "csv":
                path.write_text(path.read_text() + "torn,1,2,3\n")
            case "json":
                path.write_text(path.read_text().replace("}]", '}, {"id": "torn", nonsense}]'))
            case "parquet":
                notes = [{"id": key, "text": text} for key, text in self._files["b"].items()]
                pq.write_table(pa.Table.from_pylist([*notes, {"id": None, "text": "no key"}]), path)
            case "jsonl.zst":
                path.write_bytes(path.read_bytes() + zstandard.compress(b'{"id": "torn", \n'))
            case _:
                path.write_text(path.read_text() + '{"id": "torn", \n')
        return 1

    def expected(self) -> Expected:
        notes = {key: text for notes in self._files.values() for key, text in notes.items()}
        return {"notes": {(key,): {"text": text} for key, text in notes.items()}}

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.{self._suffix}"

    def _write(self, name: str) -> None:
        notes = [{"id": key, "text": value} for key, value in self._files[name].items()]
        path = self._path(name)
        match self._suffix:
            case "csv":
                path.write_text("id,text\n" + "".join(f'{note["id"]},"{note["text"]}"\n' for note in notes))
            case "json":
                path.write_text(json.dumps(notes))
            case "parquet":
                pq.write_table(pa.Table.from_pylist(notes), path, row_group_size=1_000)
            case _:
                text = "".join(json.dumps(note) + "\n" for note in notes)
                path.write_bytes(
                    zstandard.compress(text.encode()) if "zst" in self._suffix else text.encode()
                )


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "json", "jsonl.zst", "parquet"])
class TestFiles(ConnectorContract):
    @pytest.fixture
    def case(self, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConnectorCase:
        return FilesCase(tmp_path, suffix, monkeypatch)


class GitCase(ConnectorCase):
    """A branch merged into another; a commit and its files are cut by the borders of pages."""

    few = 12
    many = 1_000

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._repo = Repo(folder / "repo")
        self._monkeypatch = monkeypatch
        self._changes = 0

    def connector(self) -> Connector:
        return GitConnector(GitConfig(path=str(self._repo.path)))

    async def fill(self, count: int) -> None:
        self._monkeypatch.setattr(git_walk, "PAGE_ROWS", 4 if count < 100 else 80)
        repo = self._repo
        repo.commit_many(count - 4, files_each=2, body="why it was done, at length " * 80)
        repo.git("reset", "--quiet", "--hard")
        repo.git("checkout", "--quiet", "-b", "side", "HEAD~3")
        for number in range(3):
            repo.commit(f"side {number}", **{f"s{number}": "x"})
        repo.git("checkout", "--quiet", "main")
        repo.git("merge", "--quiet", "--no-edit", "side")

    async def change(self) -> None:
        """History is never changed, only added to."""
        self._changes += 1
        self._repo.commit(f"change {self._changes}", changed=str(self._changes))

    async def spoil(self) -> int:
        return 0  # whatever git has is kept, odd bytes and all

    def expected(self) -> Expected:
        log = self._repo.git("log", "--branches", "--format=%H%x09%ae%x09%an%x09%s").splitlines()
        commits = [line.split("\t") for line in log]
        return {
            "commits": {(sha,): {"subject": subject} for sha, _, _, subject in commits},
            "authors": {(email, name): {} for _, email, name, _ in commits},
        }


class TestGit(ConnectorContract):
    @pytest.fixture
    def case(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ConnectorCase:
        return GitCase(tmp_path, monkeypatch)
