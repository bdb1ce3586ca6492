"""Migrations as files: ranges of programs, checksums, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl_core import __version__
from etl_core.store.migration_files import admits, discover, parse_version, read_migrations


@pytest.mark.parametrize(
    ("programs", "program", "admitted"),
    [
        (">=0.1", "0.1.0", True),
        (">=0.1", "0.0.9", False),
        (">=0.1", "1.0", True),
        (">=0.1, <0.3", "0.2.7", True),
        (">=0.1, <0.3", "0.3.0", False),
        ("<0.10", "0.9", True),  # numbers, not text
        ("==0.1", "0.1.0", True),
        (">0.1", "0.1.0", False),
        ("<=0.1", "0.1.1", False),
        (">=0.2", "0.2.0rc1", True),  # what leads to a release counts as it
        ("none", "0.1.0", False),
    ],
)
def test_a_range_admits_versions(programs: str, program: str, admitted: bool) -> None:
    assert admits(programs, program) is admitted


@pytest.mark.parametrize("programs", ["", ">=", "0.1", "~=0.1", ">=0.1 <0.2", "all"])
def test_a_range_that_cannot_be_read_is_refused(programs: str) -> None:
    with pytest.raises(ValueError, match="no range of program versions"):
        admits(programs, "0.1")


def test_a_version_must_begin_with_a_number() -> None:
    assert parse_version("0.2.0.dev3") == (0, 2)
    with pytest.raises(ValueError, match="no program version"):
        parse_version("latest")


def test_ours_are_complete_and_the_newest_admits_this_program() -> None:
    known = discover()
    assert [file.version for file in known] == list(range(1, len(known) + 1))
    assert known[4].label == "0005_etl_jobs_autonomous_architecture"
    assert admits(known[-1].programs, __version__)
    assert not admits(known[4].programs, __version__), "0005 alone is not enough for any program of ours"


def write(
    folder: Path, name: str, up: str = "-- programs: >=0.1\nSELECT 1;\n", down: str | None = ""
) -> None:
    folder.joinpath(f"{name}.sql").write_text(up, encoding="utf-8")
    if down is not None:
        folder.joinpath(f"{name}.down.sql").write_text(down, encoding="utf-8")


def test_the_checksum_sees_every_change_but_the_range_and_line_ends(tmp_path: Path) -> None:
    write(tmp_path, "0001_a")
    [original] = read_migrations(tmp_path)
    write(tmp_path, "0001_a", "-- programs: >=0.1, <0.4\r\nSELECT 1;\r\n", down="SELECT 2;")
    [narrowed] = read_migrations(tmp_path)
    assert narrowed.checksum == original.checksum
    assert narrowed.programs == ">=0.1, <0.4"
    write(tmp_path, "0001_a", "-- programs: >=0.1\nSELECT  1;\n")
    [edited] = read_migrations(tmp_path)
    assert edited.checksum != original.checksum


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["0001_a", "0003_c"], "0003_c stands where 0002 is expected"),
        (["0001_a", "0001_b"], "0001_b stands where 0002 is expected"),
        (["1_a"], "a migration is called"),
        (["0001_A"], "a migration is called"),
    ],
)
def test_wrong_names_are_refused(tmp_path: Path, names: list[str], complaint: str) -> None:
    for name in names:
        write(tmp_path, name)
    with pytest.raises(ValueError, match=complaint):
        read_migrations(tmp_path)


def test_a_missing_way_back_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "0001_a", down=None)
    with pytest.raises(ValueError, match="0001_a needs both"):
        read_migrations(tmp_path)


@pytest.mark.parametrize("up", ["SELECT 1;\n", "-- programs: some\n", ""])
def test_a_missing_range_is_refused(tmp_path: Path, up: str) -> None:
    write(tmp_path, "0001_a", up)
    with pytest.raises(ValueError, match="program"):
        read_migrations(tmp_path)
