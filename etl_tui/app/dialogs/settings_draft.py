"""What stands in the settings dialog, judged: a request to save, or the sentence that says why not."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from etl_core.control.job_limits import MOST_FAILURES
from etl_core.models.job import TEN_YEARS_MINUTES, JobSettingsRequest, retry_not_shorter
from etl_core.rules.intervals import parse_interval

NO_DEADLINE = "none"


@dataclass(frozen=True, slots=True)
class SettingsDraft:
    """`schedule`, `retry` and `deadline` are minutes; None while the text is none, or for no deadline."""

    schedule: int | None
    retry: int | None
    refusal: str | None
    deadline: int | None = None
    failures: int | None = None

    @property
    def request(self) -> JobSettingsRequest | None:
        """What to save; None while there is a refusal."""
        if self.refusal or self.schedule is None or self.retry is None:
            return None
        return JobSettingsRequest(schedule_interval_minutes=self.schedule, retry_interval_minutes=self.retry)


def judge(
    schedule_text: str, retry_text: str, deadline_text: str = NO_DEADLINE, failures_text: str = "10"
) -> SettingsDraft:
    """Reads all texts; the first thing that is wrong is the refusal."""
    schedule, schedule_refusal = _read("Run every", schedule_text)
    retry, retry_refusal = _read("Retry after", retry_text)
    refusal = schedule_refusal or retry_refusal
    if refusal is None and schedule is not None and retry is not None:
        refusal = retry_not_shorter(schedule, retry) or _refused_by_model(schedule, retry)
    deadline, deadline_refusal = None, None
    if deadline_text.strip().casefold() not in ("", NO_DEADLINE):
        deadline, deadline_refusal = _read("Ends after", deadline_text)
    failures, failures_refusal = _read_count(failures_text)
    return SettingsDraft(schedule, retry, refusal or deadline_refusal or failures_refusal, deadline, failures)


def _read(label: str, text: str) -> tuple[int | None, str | None]:
    if not text.strip():
        return None, f"{label}: write 90m, 1.5h or 2 days."
    try:
        minutes = parse_interval(text)
    except ValueError as error:
        return None, f"{label}: {str(error).rstrip('.')}."
    if minutes > TEN_YEARS_MINUTES:
        return None, f"{label}: ten years at most."
    return minutes, None


def _read_count(text: str) -> tuple[int | None, str | None]:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_FAILURES):
        return None, f"Off after: write a number of failures, 1 to {MOST_FAILURES:,}."
    return int(text), None


def _refused_by_model(schedule: int, retry: int) -> str | None:
    try:
        JobSettingsRequest(schedule_interval_minutes=schedule, retry_interval_minutes=retry)
    except ValidationError as error:
        return str(error.errors()[0]["msg"])
    return None
