"""One line under the header for what concerns all jobs: no database, no worker, no scheduler, a pause."""

from __future__ import annotations

from etl_core.models.health import Health, WidePause
from etl_core.rules.job_tone import Tone
from etl_core.store.migration_files import discover
from etl_tui.app.look.cells import clean
from etl_tui.app.look.styled_line import Piece, StyledLine
from etl_tui.app.look.theme import Look


class Banner(StyledLine):
    """The gravest thing wins; a lost database says when it is tried next. Gone when all is well."""

    def __init__(self, look: Look, tenant: str | None = None) -> None:
        super().__init__(look, "banner")
        self._tenant = tenant
        self._lost: str | None = None
        self._seconds = 0
        self._reached = False
        self._health: Health | None = None
        self.display = False

    def show_lost(self, error: str, seconds: int, reached: bool = False) -> None:
        """The database does not answer, or (`reached`) refuses; the next try is in `seconds`, 0: now."""
        self._lost, self._seconds, self._reached = clean(error), seconds, reached
        self._draw()

    def show_health(self, health: Health) -> None:
        """The database answers, and knows who is alive."""
        self._lost, self._health = None, health
        self._draw()

    def _draw(self) -> None:
        glyph, text = Tone.WAITING, ""
        if self._lost is not None:
            # The countdown stands first: everything left of what changes is sent again.
            glyph = Tone.FAILED
            when = f"next try in {self._seconds} s" if self._seconds else "trying now"
            what = "the database refuses" if self._reached else "database unreachable"
            text = f"{what}, {when}: {self._lost}"
        elif self._health is not None and (schema := _schema_text(self._health)):
            glyph, text = Tone.FAILED, schema
        elif self._health is not None and not self._health.schedulers_alive:
            text = "no scheduler is alive: nothing starts by itself; start one with etl-scheduler"
        elif self._health is not None and not self._health.workers_alive:
            text = "no worker is alive: runs wait in the queue; start one with etl-worker"
        elif self._health is not None and self._health.stages_missing:
            stages = ",".join(self._health.stages_missing)
            text = f"no worker alive does {stages}: work waits; start one with etl-worker --stages {stages}"
        elif self._health is not None and self._health.workers_draining >= self._health.workers_alive:
            text = "every worker is draining: runs wait in the queue; etl-tui workers list shows them"
        elif self._health is not None:
            text = " · ".join(_paused(pause) for pause in self._health.pauses if self._concerns(pause))
        self.display = bool(text)
        self.show([Piece(f" {glyph.glyph} {text}", self.look.tone(glyph))])

    def _concerns(self, pause: WidePause) -> bool:
        return None in (self._tenant, pause.tenant) or pause.tenant == self._tenant


def _schema_text(health: Health) -> str:
    """That the schema was changed under this program; empty when it fits."""
    found, known = health.schema_version, discover()[-1].version
    if found is None or found == known:
        return ""
    if found < known:
        return f"schema is at {found}, this program needs {known}: run etl-tui db migrate"
    return f"schema is at {found}, newer than this program knows ({known}): start the new etl-tui"


def _paused(pause: WidePause) -> str:
    """`paused by ana: migration`, with the tenant where it is one's."""
    place = f"{pause.tenant} " if pause.tenant else ""
    return clean(f"{place}paused by {pause.paused_by}: {pause.reason}")
