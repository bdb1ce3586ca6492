"""The links of an index page (Apache, nginx, Python's http.server, ...) that lead right below its folder."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def links_of(page: str, folder: str) -> Sequence[str]:
    """Paths of files and, with a slash at the end, of folders; each once, sorted."""
    parser = _Links()
    parser.feed(page)
    found = set()
    for link in parser.found:
        parts = urlsplit(urljoin("http://here" + folder.replace("%", "%25"), link))
        path = unquote(parts.path)
        below = path.removeprefix(folder)
        # Sorting links lead to the folder itself, with a query.
        is_below = path.startswith(folder) and below and "/" not in below.rstrip("/")
        if parts.netloc == "here" and is_below and not parts.query:
            found.add(path)
    return sorted(found)
