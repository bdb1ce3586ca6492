"""The filter of the dashboard: followed as one types, told while it holds, given up by Esc."""

from __future__ import annotations

from tests.etl_tui.app.conftest import AddJob, Drive, Driven


def names(dashboard: Driven) -> list[str]:
    return [job.job_name for job in dashboard.grid.jobs]


async def _type(dashboard: Driven, text: str) -> None:
    await dashboard.pilot.press(*("space" if key == " " else key for key in text))


async def test_the_grid_follows_what_one_types_and_esc_gives_it_up(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    await add_job("jira", status="FAILED", error_message="timeout")
    await add_job("quay", tenant="globex")
    async with drive() as dashboard:
        await dashboard.until(lambda: len(names(dashboard)) >= 3)
        every = names(dashboard)
        assert "filter" not in dashboard.screen_text().splitlines()[2]
        await dashboard.pilot.press("slash")
        await _type(dashboard, "failed")
        await dashboard.until(lambda: names(dashboard) == ["jira"])
        assert "/ failed" in dashboard.screen_text()
        assert dashboard.line("told").strip() == f"1 of {len(every)} shown"
        await _type(dashboard, " q")  # q is a letter here
        await dashboard.until(lambda: names(dashboard) == [])
        assert "no job meets the filter; esc shows all" in dashboard.line("message")
        await dashboard.pilot.press("escape")
        await dashboard.until(lambda: names(dashboard) == every)
        assert "/ failed" not in dashboard.screen_text()


async def test_a_kept_filter_outlives_changes_and_esc_ends_it(drive: Drive, add_job: AddJob) -> None:
    await add_job("github")
    await add_job("jira")
    async with drive() as dashboard:
        await dashboard.until(lambda: "jira" in names(dashboard))
        every = names(dashboard)
        await dashboard.pilot.press("slash")
        await _type(dashboard, "git")
        await dashboard.pilot.press("enter", "j")  # keys are the grid's again
        await dashboard.until(lambda: names(dashboard) == ["github"])
        await add_job("gitlab")
        await dashboard.until(lambda: names(dashboard) == ["github", "gitlab"])
        assert dashboard.line("told").strip() == f"2 of {len(every) + 1} shown"
        await dashboard.pilot.press("slash", "up")  # the one that was kept
        await dashboard.pilot.press("escape", "escape")
        await dashboard.until(lambda: len(names(dashboard)) == len(every) + 1)


async def test_what_is_not_understood_is_said_and_the_filter_before_goes_on(
    drive: Drive, add_job: AddJob
) -> None:
    await add_job("github")
    await add_job("jira", status="FAILED")
    async with drive() as dashboard:
        await dashboard.until(lambda: "jira" in names(dashboard))
        await dashboard.pilot.press("slash")
        await _type(dashboard, "failed own:x")
        await dashboard.until(lambda: "there is no own" in dashboard.line("told"))
        assert names(dashboard) == []  # as `failed own` has it
        await dashboard.pilot.press("enter")  # stays where it can be mended
        await dashboard.pilot.press(*["backspace"] * 5)
        await dashboard.until(lambda: names(dashboard) == ["jira"])
        assert dashboard.line("told").strip().startswith("1 of")


async def test_tab_takes_what_is_offered(drive: Drive, add_job: AddJob) -> None:
    await add_job("github", tenant="globex")
    async with drive() as dashboard:
        await dashboard.until(lambda: "github" in names(dashboard))
        await dashboard.pilot.press("slash")
        await _type(dashboard, "ten")
        await dashboard.until(lambda: "/ tenant:" in dashboard.screen_text())
        await dashboard.pilot.press("tab")
        await _type(dashboard, "gl")
        await dashboard.until(lambda: "/ tenant:globex" in dashboard.screen_text())
        await dashboard.pilot.press("tab")
        await dashboard.until(lambda: names(dashboard) == ["github"])
