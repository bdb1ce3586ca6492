"""`etl-tui connectors new`: a working connector as a package of its own, written from a template.

The template (`etl_tui/templates/connector`) is a package that works as it stands, for a type `my-system`;
only names are replaced.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from etl_core.errors import Conflict, ExitCode, InvalidInput
from etl_tui.cli.parser import add_command

if TYPE_CHECKING:
    from etl_tui.cli.context import Context
    from etl_tui.cli.parser import Subparsers

DESCRIPTION = """\
Writes a package with a connector of the type NAME, its entry point, a fake system that it reads until you put
yours in its place, and its tests. It passes them as it is written, and jobs can load from it.
docs/write-a-connector.md goes on from there."""

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST = 40


def register(group: Subparsers) -> None:
    """Adds `connectors new`."""
    new = add_command(
        group,
        "new",
        write_package,
        summary="write a package with a connector of your own, working and tested",
        description=DESCRIPTION,
        example="etl-tui connectors new acme-crm",
    )
    new.add_argument("name", metavar="NAME", help="the integration type: lower case, digits, hyphens")
    new.add_argument(
        "--folder", metavar="DIR", type=Path, help="where to; new or empty (default: ./etl-tui-NAME)"
    )


async def write_package(arguments: argparse.Namespace, context: Context) -> int:
    """Writes the package; `--json`: {"type", "package", "module", "folder", "files"}."""
    from etl_core.connectors_registry import connector_types

    name = arguments.name
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise InvalidInput(f"{name!r}: a type is lower case and digits, with hyphens between: acme-crm")
    if name in connector_types():
        raise Conflict(f"a connector of type {name!r} is installed already; `etl-tui connectors list` has it")
    package = f"etl-tui-{name}"
    folder = (arguments.folder or Path(package)).expanduser()
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise Conflict(f"{folder} is not empty; give another --folder")
        files = _write(name, folder)
    except OSError as error:
        raise InvalidInput(f"{folder}: {error.strerror or error}") from None
    module = package.replace("-", "_")
    if context.output.json:
        context.output.emit(
            {"type": name, "package": package, "module": module, "folder": folder.absolute(), "files": files}
        )
    else:
        context.output.line(f"{folder}: a connector of type {name}, in {len(files)} files")
        context.output.line(f"  pip install -e '{folder}[test]'   beside etl-tui, so that it is found")
        context.output.line(f"  pytest {folder}                   it passes as it is")
        context.output.line(f"  then put your system into {module}/source.py")
    return ExitCode.DONE


def _write(name: str, folder: Path) -> list[str]:
    """The files written, by their paths in `folder`.

    Raises:
        OSError: it cannot be written.
    """
    import etl_tui

    template = Path(etl_tui.__file__).parent / "templates" / "connector"
    words = name.split("-")
    names = {
        "etl_tui_my_system": f"etl_tui_{'_'.join(words)}",
        "my-system": name,
        "MySystem": "".join(word.capitalize() for word in words),
    }
    written = []
    for source in sorted(template.rglob("*")):
        if not source.is_file() or "__pycache__" in source.parts:
            continue
        path = _renamed(str(source.relative_to(template)), names)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_renamed(source.read_text(encoding="utf-8"), names), encoding="utf-8")
        written.append(path)
    return written


def _renamed(text: str, names: dict[str, str]) -> str:
    for placeholder, name in names.items():
        text = text.replace(placeholder, name)
    return text
