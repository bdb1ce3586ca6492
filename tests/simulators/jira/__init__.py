"""Jira Cloud and Data Center, as far as the connector uses them, over a world that changes meanwhile."""

from .server import JiraSimulator, serve_jira
from .world import World

__all__ = ["JiraSimulator", "World", "serve_jira"]
