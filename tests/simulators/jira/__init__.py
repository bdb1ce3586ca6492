"""Jira Cloud and Data Center, as far as the connector uses them, over a world that changes meanwhile."""

from tests.simulators.jira.server import JiraSimulator, serve_jira
from tests.simulators.jira.world import World

__all__ = ["JiraSimulator", "World", "serve_jira"]
