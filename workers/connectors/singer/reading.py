"""What a tap sends, read line by line into pages."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from etl_core.connector import SINGLE_PARTITION, Fragment, Page, Stream
from etl_core.errors import Permanent
from etl_core.run_log import RunLog
from workers.connectors.singer.checkpoint import STREAM, Bookmark, goes_on, with_bookmarks_of_others
from workers.connectors.singer.gathering import LANE, Gathering
from workers.connectors.singer.messages import Message, NoMessage, read_message
from workers.connectors.singer.versions import Versions

Keep = Callable[[], str | None]
"""What is to be kept of the tap's own settings, as it is now."""


class Reading:
    """One run of a tap."""

    def __init__(
        self,
        streams: Mapping[str, Stream],
        unselected: Collection[str],
        versions: Versions,
        log: RunLog,
        *,
        state: Any,
        keys_are_given: Collection[str],
    ) -> None:
        """`state` is what the tap was given; of `keys_are_given` its SCHEMA may say another key."""
        self._streams = streams
        self._unselected = frozenset(unselected)
        self._versions = versions
        self._log = log
        self._keys_are_given = keys_are_given
        self._page = Gathering()
        self._told: set[str] = set()
        self.lane = LANE
        self.streams_seen: set[str] = set()
        """Of which it sent a SCHEMA."""
        self.before = state
        self.state = state
        """Of its last STATE."""
        self.loaded_state = state
        """Of the last page that was yielded with one."""

    def pages(self, lines: Sequence[bytes], keep: Keep) -> Iterator[Page]:
        """Those that become full with these lines.

        Raises:
            Permanent: the tap sends what cannot be used; says what to do.
        """
        for line in lines:
            if not line or line.isspace():
                continue
            try:
                message = read_message(line)
            except NoMessage as problem:
                self._take_noise(line, problem)
                continue
            match message.type:
                case "RECORD":
                    yield from self._take_record(message, line, keep)
                case "STATE":
                    self._take_state(message, line)
                    if self._page.is_done:
                        yield self._take_page(keep())
                case "SCHEMA":
                    self._take_schema(message)
                case "ACTIVATE_VERSION" if message.version is not None:
                    self._versions.activate(message.stream, message.version)
                case "BATCH":
                    raise Permanent(
                        f"the tap sends stream {message.stream} as BATCH files, of which no STATE tells what "
                        "they hold: take `batch_config` out of its settings"
                    )

    def last_page(self, kept: str | None, *, ended_well: bool) -> Page | None:
        """What is left; of a tap that did not end well, what a STATE covers."""
        if not ended_well:
            if not self._page.has_state:
                return None
            self._page.drop_uncovered()
            return self._take_page(kept)
        for name in self._versions.without_key():
            self._tell(f"stream {name} has no key: rows that are gone from its source stay in its table")
        versions = self._versions.last_fragments()
        if self._page.is_empty and not versions:
            return None
        return self._take_page(kept, versions)

    def _take_record(self, message: Message, line: bytes, keep: Keep) -> Iterator[Page]:
        name = message.stream
        if name not in self._streams:
            self._refuse_unknown(name)
            return
        if message.record is None:
            self._page.reject(name, "a RECORD without a record", line)
            return
        if message.version is not None:
            if self._versions.ends_a_page(name, message.version):
                yield self._take_page(keep())
            self._versions.see(name, message.version)
        self._page.add(name, message.record, len(line))
        if self._page.is_full:
            yield self._take_page(keep())

    def _take_state(self, message: Message, line: bytes) -> None:
        if b"\\u0000" in line:
            raise Permanent("the tap's STATE holds a NUL character, which cannot be stored")
        self.state = with_bookmarks_of_others(message.value, self.before, self._unselected)
        self._page.mark(self.state)

    def _take_schema(self, message: Message) -> None:
        name = message.stream
        self.streams_seen.add(name)
        stream = self._streams.get(name)
        key = message.key_properties
        if stream is None or key is None or name in self._keys_are_given or tuple(key) == stream.key:
            return
        raise Permanent(
            f"stream {name}: its SCHEMA says the key is ({', '.join(key)}), its catalog "
            f"({', '.join(stream.key)}): say which in the configuration, streams.{name}.key"
        )

    def _take_page(self, kept: str | None, versions: Sequence[Fragment] | None = None) -> Page:
        fragments = list(self._versions.fragments(self._page.streams) if versions is None else versions)
        if self._page.has_state and (self._page.state != self.before or self.loaded_state != self.before):
            bookmark = Bookmark(state=self._page.state, settings=kept).model_dump()
            fragments.append(Fragment(STREAM, SINGLE_PARTITION, bookmark))
            self.loaded_state = self._page.state
            return self._page.take(fragments, goes_on=goes_on(self.loaded_state, self.streams_seen))
        return self._page.take(fragments, goes_on=False)

    def _take_noise(self, line: bytes, problem: NoMessage) -> None:
        if problem.stream:
            known = problem.stream if problem.stream in self._streams else next(iter(self._streams), None)
            if known is not None:
                self._page.reject(known, str(problem), line)
                return
        self._log.write(f"printed: {line[:500].decode('utf-8', 'backslashreplace')}", "warning")

    def _refuse_unknown(self, name: str) -> None:
        if name not in self._unselected:
            raise Permanent(f"the tap sends records of stream {name}, which its catalog does not have")
        self._tell(f"the tap sends records of stream {name}, which is not selected; they are left out")

    def _tell(self, once: str) -> None:
        if once not in self._told:
            self._told.add(once)
            self._log.write(once, "warning")
