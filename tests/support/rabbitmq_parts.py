"""The parts of a RabbitMQ that a server without plugins needs.

At each start it looks into all that lies beside them, enabled or not: without that a start takes 5 s of a
processor instead of 8.
"""

from __future__ import annotations

import re
from pathlib import Path

_BEGIN_WITH = ("rabbit", "rabbitmq_prelaunch")


def link_needed_parts(server: Path, into: Path) -> bool:
    """Fills `into` with links to what the server of this script needs; False where parts lie otherwise."""
    parts = {file.stem: file for file in (server.parents[1] / "plugins").glob("*/ebin/*.app")}
    if not parts.keys() >= {*_BEGIN_WITH}:
        return False
    needed: set[str] = set()
    to_see = {*_BEGIN_WITH}
    while to_see:
        name = to_see.pop()
        needed.add(name)
        to_see |= _needs(parts[name]) & parts.keys() - needed
    into.mkdir(exist_ok=True)
    for name in needed:
        folder = parts[name].parents[1]
        link = into / folder.name
        if not link.is_symlink():
            link.symlink_to(folder.resolve())
    return True


def _needs(app: Path) -> set[str]:
    """The applications that must run before this one, as its resource file names them."""
    found = re.search(r"\{\s*applications\s*,\s*\[(.*?)\]", app.read_text(errors="replace"), re.DOTALL)
    return set(re.findall(r"\w+", found[1])) if found else set()
