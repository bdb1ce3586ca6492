"""What the contract suite must know of a source: the one thing that a connector's tests write for it.

A complete example, for a connector of a tracker with a simulator of it::

    class TrackerCase(ConnectorCase):
        def __init__(self, simulator: TrackerSimulator) -> None:
            self.world = simulator.world
            self.url = simulator.url

        def connector(self) -> Connector:
            return TrackerConnector(TrackerConfig(url=self.url, token="t", page_size=4))

        async def fill(self, count: int) -> None:
            for number in range(count):
                self.world.add_issue(title=f"issue {number}", body="x" * 500)

        async def change(self) -> None:
            self.world.rename(self.world.any_issue(), "another title")
            self.world.add_issue(title="a new one")

        async def spoil(self) -> int:
            self.world.add_raw({"id": 9_999, "updated_at": "no time at all"})
            return 1

        def expected(self) -> Expected:
            return {"issues": {(issue.id,): {"title": issue.title} for issue in self.world.issues}}

        @asynccontextmanager
        async def stalled(self) -> AsyncGenerator[None]:
            self.simulator.hang = True
            yield
            self.simulator.hang = False


    class TestTracker(ConnectorContract):
        @pytest.fixture
        async def case(self) -> AsyncGenerator[ConnectorCase]:
            async with TrackerSimulator(seed=1) as simulator:
                yield TrackerCase(simulator)

That is all: pytest finds the suite's tests in `TestTracker`. Each test gets a case, and so a source, of its
own. The source may be a simulator in this process, files in `tmp_path`, a real server: whatever is read as
in production.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, ClassVar

from etl_core.connector import Connector

Key = tuple[Any, ...]
"""The values of a row's key columns, in the order of `Stream.key`."""

Expected = Mapping[str, Mapping[Key, Mapping[str, Any]]]
"""Stream -> key -> what its row holds.

Keys are compared exactly: a row too many or too few is a failure. Of a row only the columns given are
compared, so a few that tell versions of a record apart are enough. A stream left out is not compared.
"""


class ConnectorCase(ABC):
    """A source that can be filled, changed and spoiled, and what a destination must hold of it."""

    few: ClassVar[int] = 23
    """Records of a small source. `connector` reads them in pages so small that there are 4 to 30: the suite
    kills a run after each of them, which is a walk each."""
    many: ClassVar[int] = 5_000
    """Records of a large source: at least 2 MB of JSON, in 20 pages or more. `connector` may use larger
    pages for it."""
    overlap: ClassVar[bool] = False
    """Whether a run reads some records again that an earlier one had (an overlap, a full refresh). Without,
    a second run of an unchanged source must yield no record at all."""
    exact_checkpoint: ClassVar[bool] = True
    """Whether two walks of the same source end with the very same checkpoint; False where a bookmark
    holds something else than what it saw, such as the time of a walk."""

    @abstractmethod
    def connector(self) -> Connector:
        """A new instance, as another worker would make it, for the source as it is now."""

    @abstractmethod
    async def fill(self, count: int) -> None:
        """Puts about `count` records into the empty source; called once, before anything else.

        Make it awkward: several partitions if there can be, records of the same time, a record that a
        page's border cuts through (nested lists).
        """

    @abstractmethod
    async def change(self) -> None:
        """Changes a record and adds one, as people do while the source is read. Called many times.

        Deletions only where the connector finds them by its next run.
        """

    @abstractmethod
    async def spoil(self) -> int:
        """Makes one record bad, the others stay; how many that is: 1, or 0 where no record can be bad.

        Bad is what `transform` refuses with BadRecord, what the connector passes on as `Page.rejects`, what
        does not fit the type of its column, and what has no key. Called once, after `fill`; `expected` is
        then without it.
        """

    @abstractmethod
    def expected(self) -> Expected:
        """What a destination must hold once all of the source as it is now has been read."""

    def stalled(self) -> AbstractAsyncContextManager[None]:
        """While it is open the source takes requests and answers none of them; default: it answers."""
        return nullcontext()
