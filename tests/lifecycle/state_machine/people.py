"""What people do."""

from __future__ import annotations

from datetime import time, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from etl_core.control import interventions, job_limits, jobs, pauses, windows
from etl_core.control.places import Place
from tests.lifecycle.state_machine.machine import Machine, minutes, some
from tests.lifecycle.state_machine.model import Job, places
from tests.support.jobs import PERSON


class PeopleAct(Machine):
    """By the functions of `etl_core.control`; what must be refused is."""

    @rule(which=some)
    def runs_it(self, which: int) -> None:
        self.run_now(self.job(which))

    @rule(which=some, active=st.booleans())
    def switches(self, which: int, active: bool) -> None:
        job = self.job(which)
        self.do(jobs.set_active(self.conn, job.id, active, PERSON))
        if job.active != active:
            if active and job.off_by == "etl-tui":
                job.retry_count = 0
            job.active, job.off_by = active, None if active else PERSON.name
        if not active and job.run and job.run.state == "QUEUED" and job.run.started_at is None:
            job.run.end("CANCELLED")
            job.status = "READY"

    @rule(
        which=some, every=st.sampled_from([30, 60, 90]), retry=st.sampled_from([5, 15]), stale=st.booleans()
    )
    def changes_settings(self, which: int, every: int, retry: int, stale: bool) -> None:
        job = self.job(which)
        version = self.do(self.conn.fetchval("SELECT row_version FROM etl_jobs WHERE id = $1", job.id))
        request = jobs.settings_request(every, retry)
        change = jobs.change_settings(self.conn, job.id, request, PERSON, expected_version=version - stale)
        if not self.refused(change, expected=stale):
            job.schedule, job.retry = every, retry

    @rule(which=some)
    def cancels(self, which: int) -> None:
        """One in mid-run, if there is one: most others have nothing to discard."""
        in_mid_run = [job for job, run in self.world.open_jobs() if run.unloaded]
        job = in_mid_run[which % len(in_mid_run)] if in_mid_run else self.job(which)
        if not self.refused(interventions.cancel(self.conn, job.id, PERSON), expected=job.run is None):
            job.end_early("CANCELLED", None, self.world.now)

    @rule(which=some)
    def releases(self, which: int) -> None:
        job, run = self.job(which), self.job(which).run
        held = run is not None and run.worker is not None
        if not self.refused(interventions.release(self.conn, job.id, PERSON), expected=not held) and run:
            run.release(self.world.now)

    @rule(which=some, for_minutes=st.none() | minutes)
    def holds(self, which: int, for_minutes: int | None) -> None:
        job = self.job(which)
        self.do(interventions.hold(self.conn, job.id, PERSON, reason="made up", minutes=for_minutes))
        job.held_by = PERSON.name
        job.held_until = self.world.now + timedelta(minutes=for_minutes) if for_minutes else None

    @rule(which=some)
    def clears(self, which: int) -> None:
        job = self.job(which)
        something = job.held_by or job.status == "FAILED" or job.retry_count or job.not_before
        if not self.refused(interventions.clear(self.conn, job.id, PERSON), expected=not something):
            job.held_by = job.held_until = job.not_before = job.error_kind = None
            job.retry_count = 0
            job.status = "READY" if job.status == "FAILED" else job.status

    @rule(which=some, by=st.none() | minutes)
    def snoozes(self, which: int, by: int | None) -> None:
        job = self.job(which)
        until = self.world.now + timedelta(minutes=by) if by else None
        self.do(interventions.snooze(self.conn, job.id, PERSON, until=until))
        job.not_before = until

    @rule(which=some, deadline=st.none() | st.sampled_from([30, 60]))
    def sets_a_deadline(self, which: int, deadline: int | None) -> None:
        job = self.job(which)
        self.do(job_limits.set_deadline(self.conn, job.id, deadline, PERSON))
        job.deadline = deadline

    @rule(which=some, width=st.integers(0, 2), limit=st.sampled_from([0, 1, 1, 2]))
    def bars(self, which: int, width: int, limit: int) -> None:
        """A limit of so many runs; 0 is a pause."""
        place = places(self.job(which))[width]
        if limit:
            self.do(pauses.limit(self.conn, Place(*place), limit, PERSON))
            self.world.limits[place] = limit
        else:
            pause = pauses.pause(self.conn, Place(*place), PERSON, reason="made up")
            self.refused(pause, expected=place in self.world.paused)
            self.world.paused.add(place)

    @rule()
    @precondition(lambda self: self.world.paused)
    def resumes(self) -> None:
        for place in self.world.paused:
            self.do(pauses.resume(self.conn, Place(*place), PERSON))
        self.world.paused.clear()

    @rule()
    @precondition(lambda self: self.world.limits)
    def lifts_limits(self) -> None:
        for place in self.world.limits:
            self.do(pauses.limit(self.conn, Place(*place), None, PERSON))
        self.world.limits.clear()

    @rule(which=some)
    def blacks_out(self, which: int) -> None:
        """A window of all days and hours, or the end of all there are."""
        found = self.do(self.conn.fetch("SELECT id FROM blackout_windows"))
        for row in found:
            self.do(windows.remove_window(self.conn, row["id"], PERSON))
        if not found:
            self.do(self._add_window(self.job(which)))
        for job in self.world.jobs:
            job.blacked_out = not found and job is self.job(which)

    async def _add_window(self, job: Job) -> None:
        await windows.add_window(
            self.conn,
            place=Place(),
            job_id=job.id,
            weekdays=[1, 2, 3, 4, 5, 6, 7],
            starts=time(),
            ends=time(),
            time_zone="Europe/Berlin",
            reason=None,
            actor=PERSON,
        )
