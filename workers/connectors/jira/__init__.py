"""Jira: projects, issues and what belongs to them, people, boards and sprints; of the cloud or Data
Center."""

from workers.connectors.jira.connector import JiraConnector

__all__ = ["JiraConnector"]
