"""When a blackout window holds, and until when: local days and hours of its zone, whatever the clocks do."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tests.sql.schema import migrated

BERLIN = ZoneInfo("Europe/Berlin")
ALL = "{1,2,3,4,5,6,7}"


def berlin(text: str, *, fold: int = 0) -> datetime:
    """A local time there; `fold=1`: the second of two that look alike."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


# (weekdays, starts, ends, zone), moment, end or None. Monday is 1; 2026-03-02 is a Monday.
CASES: list[tuple[tuple[str, str, str, str], datetime, datetime | None]] = [
    # Within a day: from its first instant, up to its last one.
    (("{1}", "08:00", "18:00", "Europe/Berlin"), berlin("2026-03-02 07:59:59.999"), None),
    (("{1}", "08:00", "18:00", "Europe/Berlin"), berlin("2026-03-02 08:00"), berlin("2026-03-02 18:00")),
    (
        ("{1}", "08:00", "18:00", "Europe/Berlin"),
        berlin("2026-03-02 17:59:59.999"),
        berlin("2026-03-02 18:00"),
    ),
    (("{1}", "08:00", "18:00", "Europe/Berlin"), berlin("2026-03-02 18:00"), None),
    (("{1}", "08:00", "18:00", "Europe/Berlin"), berlin("2026-03-03 12:00"), None),
    # Across midnight: it belongs to the day on which it starts, here Friday.
    (("{5}", "22:00", "06:00", "Europe/Berlin"), berlin("2026-03-06 21:59"), None),
    (("{5}", "22:00", "06:00", "Europe/Berlin"), berlin("2026-03-06 23:30"), berlin("2026-03-07 06:00")),
    (("{5}", "22:00", "06:00", "Europe/Berlin"), berlin("2026-03-07 00:00"), berlin("2026-03-07 06:00")),
    (("{5}", "22:00", "06:00", "Europe/Berlin"), berlin("2026-03-07 05:59"), berlin("2026-03-07 06:00")),
    (("{5}", "22:00", "06:00", "Europe/Berlin"), berlin("2026-03-07 06:00"), None),
    (("{5}", "22:00", "06:00", "Europe/Berlin"), berlin("2026-03-06 05:00"), None),  # Thursday's night
    (("{7}", "22:00", "06:00", "Europe/Berlin"), berlin("2026-03-02 03:00"), berlin("2026-03-02 06:00")),
    # Up to midnight, and around the clock.
    (("{2}", "20:00", "00:00", "Europe/Berlin"), berlin("2026-03-03 23:59"), berlin("2026-03-04 00:00")),
    (("{3}", "00:00", "00:00", "Europe/Berlin"), berlin("2026-03-04 12:00"), berlin("2026-03-05 00:00")),
    (("{3}", "00:00", "00:00", "Europe/Berlin"), berlin("2026-03-05 00:00"), None),
    (("{3,4}", "12:00", "12:00", "Europe/Berlin"), berlin("2026-03-05 12:30"), berlin("2026-03-06 12:00")),
    # The weekday is the zone's, not UTC's.
    (
        ("{1}", "00:00", "02:00", "Pacific/Auckland"),
        datetime(2026, 3, 1, 11, 30, tzinfo=UTC),
        datetime(2026, 3, 1, 13, 0, tzinfo=UTC),
    ),
    # Spring: at 02:00 of 2026-03-29 it is 03:00. The window keeps its local hours: 7 hours of real time.
    (
        (ALL, "22:00", "06:00", "Europe/Berlin"),
        datetime(2026, 3, 28, 21, 0, tzinfo=UTC),
        datetime(2026, 3, 29, 4, 0, tzinfo=UTC),
    ),
    ((ALL, "22:00", "06:00", "Europe/Berlin"), datetime(2026, 3, 28, 20, 59, tzinfo=UTC), None),
    ((ALL, "22:00", "06:00", "Europe/Berlin"), datetime(2026, 3, 29, 4, 0, tzinfo=UTC), None),
    # The day after, summer hours.
    (
        (ALL, "22:00", "06:00", "Europe/Berlin"),
        datetime(2026, 3, 29, 20, 0, tzinfo=UTC),
        datetime(2026, 3, 30, 4, 0, tzinfo=UTC),
    ),
    # A window in the hour that does not exist never holds; one that reaches into it ends after the gap.
    ((ALL, "02:00", "03:00", "Europe/Berlin"), datetime(2026, 3, 29, 1, 0, tzinfo=UTC), None),
    ((ALL, "02:00", "03:00", "Europe/Berlin"), datetime(2026, 3, 29, 0, 59, tzinfo=UTC), None),
    (
        (ALL, "01:00", "02:30", "Europe/Berlin"),
        datetime(2026, 3, 29, 0, 59, tzinfo=UTC),
        datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    ),
    # Autumn: 02:00 to 03:00 of 2026-10-25 comes twice. 9 hours of real time.
    (
        (ALL, "22:00", "06:00", "Europe/Berlin"),
        berlin("2026-10-24 22:00"),
        datetime(2026, 10, 25, 5, 0, tzinfo=UTC),
    ),
    (
        (ALL, "22:00", "06:00", "Europe/Berlin"),
        berlin("2026-10-25 02:30"),
        datetime(2026, 10, 25, 5, 0, tzinfo=UTC),
    ),
    (
        (ALL, "22:00", "06:00", "Europe/Berlin"),
        berlin("2026-10-25 02:30", fold=1),
        datetime(2026, 10, 25, 5, 0, tzinfo=UTC),
    ),
    (
        (ALL, "22:00", "06:00", "Europe/Berlin"),
        berlin("2026-10-25 05:59"),
        datetime(2026, 10, 25, 5, 0, tzinfo=UTC),
    ),
    ((ALL, "22:00", "06:00", "Europe/Berlin"), berlin("2026-10-25 06:00"), None),
]


@pytest.mark.parametrize("session_zone", ["UTC", "America/New_York"])
async def test_when_a_window_holds(admin_url: str, session_zone: str) -> None:
    """The zone of the session has no say."""
    problems = []
    async with migrated(admin_url) as conn:
        await conn.execute(f"SET TIME ZONE '{session_zone}'")
        for (weekdays, starts, ends, zone), moment, until in CASES:
            found = await conn.fetchval(
                "SELECT window_end(w, $1) FROM jsonb_populate_record(NULL::blackout_windows, $2) AS w",
                moment,
                {"weekdays": weekdays_of(weekdays), "starts": starts, "ends": ends, "time_zone": zone},
            )
            if found != until:
                problems.append(f"{weekdays} {starts}-{ends} {zone} at {moment}: {found}, expected {until}")
    assert not problems, "\n".join(problems)


def weekdays_of(text: str) -> list[int]:
    return [int(day) for day in text.strip("{}").split(",")]
