"""Real repositories made with the real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


class Repo:
    """A work tree in which a test commits; times are counted up, so shas are the same in every run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._clock = 1_700_000_000
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, given: bytes | None = None) -> str:
        self._clock += 60
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        date = f"{self._clock} +0200"
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"), ("DATE", date))
        }
        quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            env=kept | who | quiet,
            input=given,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def commit(self, message: str = "change", *options: str, **files: str) -> str:
        for name, text in files.items():
            (self.path / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--allow-empty-message", "-m", message, *options)
        return self.head()

    def head(self, ref: str = "HEAD") -> str:
        return self.git("rev-parse", ref)

    def commit_many(self, count: int, files_each: int = 1, branch: str = "main", body: str = "") -> None:
        """Many commits in one go, through fast-import."""
        lines = []
        for number in range(1, count + 1):
            lines.append(f"commit refs/heads/{branch}\n")
            when = 1_600_000_000 + number
            lines.append(f"committer Bo{number % 7} <bo{number % 7}@example.org> {when} +0000\n")
            lines.append(f"data <<END\ncommit {number}\n{body}\nEND\n")
            lines.extend(
                f"M 644 inline dir-{number % 50}/file-{number}-{part}.txt\ndata <<END\nline {number}\nEND\n"
                for part in range(files_each)
            )
            lines.append("\n")
        self.git("fast-import", "--quiet", given="".join(lines).encode())
