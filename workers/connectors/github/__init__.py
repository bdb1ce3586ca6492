"""GitHub: repositories, pull requests and issues with all that is theirs, commits, releases and more."""

from workers.connectors.github.connector import GitHubConnector

__all__ = ["GitHubConnector"]
