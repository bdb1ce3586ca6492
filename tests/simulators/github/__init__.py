"""GitHub: GraphQL v4 and some of REST, over a world that changes while it is read."""

from .making import SMALL, Size, make_world
from .simulator import GitHubSimulator, serve_github
from .world import World

__all__ = ["SMALL", "GitHubSimulator", "Size", "World", "make_world", "serve_github"]
