"""GraphQL v4: queries are validated against the schema and answered from the world, by a real engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from .cost import Cost, Refusal, cost_of
from .paging import by_offset, connection
from .world import Thing, World, reachable


@dataclass(slots=True)
class Call:
    """One call as the resolvers see it."""

    world: World
    viewer: Thing
    sees_private: bool
    rate: Mapping[str, Any]
    cost: Cost

    def sees(self, repo: Thing) -> bool:
        return self.sees_private or not repo["isPrivate"]


Resolver = Callable[..., Any]
_RESOLVERS: dict[tuple[str, str], Resolver] = {}


def _resolves(*places: str) -> Callable[[Resolver], Resolver]:
    def register(resolver: Resolver) -> Resolver:
        for place in places:
            type_name, _, field = place.partition(".")
            _RESOLVERS[type_name, field] = resolver
        return resolver

    return register


def answer(query: str, variables: Mapping[str, Any], call: Call) -> tuple[dict[str, Any], Cost]:
    """The body of an answer, and what it cost. A query that is refused costs a point."""
    document, invalid = _checked(query)
    if document is None or invalid:
        return {"errors": list(invalid)}, Cost()
    try:
        call.cost = cost_of(schema(), document, variables)
    except Refusal as refusal:
        return {"errors": [refusal.as_error()]}, Cost()
    result = execute_sync(schema(), document, context_value=call, variable_values=dict(variables))
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [_error(error) for error in result.errors]
    return body, call.cost


def _error(error: GraphQLError) -> dict[str, Any]:
    """As GitHub has it: `type` beside the message, not among extensions."""
    told: dict[str, Any] = {"message": error.message}
    if error.extensions and "type" in error.extensions:
        told["type"] = error.extensions["type"]
    if error.path:
        told["path"] = list(error.path)
    if error.locations:
        told["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    return told


@lru_cache(maxsize=256)
def _checked(query: str) -> tuple[DocumentNode | None, tuple[dict[str, Any], ...]]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return None, (_error(error),)
    return document, tuple(_error(error) for error in validate(schema(), document))


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """The simulated part of GitHub's schema, with resolvers."""
    text = files(__package__).joinpath("schema.graphql").read_text(encoding="utf-8")
    made = build_schema(text)
    for (type_name, field), resolver in _RESOLVERS.items():
        type_: Any = made.type_map[type_name]
        type_.fields[field].resolve = resolver
    return made


def _not_found(what: str) -> GraphQLError:
    return GraphQLError(f"Could not resolve to {what}.", extensions={"type": "NOT_FOUND"})


def _call(info: GraphQLResolveInfo) -> Call:
    call: Call = info.context
    return call


@_resolves("Query.viewer")
def _viewer(_: Any, info: GraphQLResolveInfo) -> Thing:
    return _call(info).viewer


@_resolves("Query.rateLimit")
def _rate_limit(_: Any, info: GraphQLResolveInfo, dryRun: bool = False) -> Thing:  # noqa: N803 - GitHub's name
    call = _call(info)
    points = call.cost.points
    return {
        "cost": points,
        "nodeCount": call.cost.nodes,
        "limit": call.rate["limit"],
        "remaining": max(0, call.rate["remaining"] - points),
        "used": call.rate["used"] + points,
        "resetAt": call.rate["reset_at"],
    }


@_resolves("Query.repository")
def _repository(
    _: Any,
    info: GraphQLResolveInfo,
    owner: str,
    name: str,
    followRenames: bool = True,  # noqa: N803
) -> Thing:
    call = _call(info)
    found = call.world.find_repository(f"{owner}/{name}", follow=followRenames)
    if found is None or not call.sees(found):
        raise _not_found(f"a Repository with the name '{owner}/{name}'")
    return found


@_resolves("Query.repositoryOwner")
def _owner(_: Any, info: GraphQLResolveInfo, login: str) -> Thing | None:
    return _call(info).world.owners.get(login.lower())


@_resolves("Query.organization", "Query.user")
def _owner_of_kind(_: Any, info: GraphQLResolveInfo, login: str) -> Thing:
    kind = "Organization" if info.field_name == "organization" else "User"
    found = _call(info).world.owners.get(login.lower())
    if found is None or found["__typename"] != kind:
        article = "an" if kind == "Organization" else "a"
        raise _not_found(f"{article} {kind} with the login of '{login}'")
    return found


@_resolves("Query.node")
def _node(_: Any, info: GraphQLResolveInfo, id: str) -> Thing:  # noqa: A002 - GitHub's name
    call = _call(info)
    found = call.world.by_id.get(id)
    repo = found if found and found["__typename"] == "Repository" else _repository_of(found)
    gone = repo is not None and (repo["id"] not in call.world.repositories or not call.sees(repo))
    if found is None or gone:
        raise _not_found(f"a node with the global id of '{id}'")
    return found


@_resolves("Query.nodes")
def _nodes(_: Any, info: GraphQLResolveInfo, ids: list[str]) -> list[Thing | None]:
    by_id = _call(info).world.by_id
    return [by_id.get(each) for each in ids]


def _repository_of(thing: Thing | None) -> Thing | None:
    while thing is not None and "_repo" not in thing:
        thing = thing.get("_parent")
    return thing["_repo"] if thing else None


@_resolves("Organization.repositories", "User.repositories")
def _repositories(owner: Thing, info: GraphQLResolveInfo, **arguments: Any) -> Thing:
    call = _call(info)
    owned = [
        repo
        for repo in call.world.repositories.values()
        if repo["owner"] is owner
        and call.sees(repo)
        and arguments.get("isArchived") in (None, repo["isArchived"])
        and arguments.get("isFork") in (None, repo["isFork"])
    ]
    return _ordered(owned, arguments)


_ORDERED_BY = {
    "CREATED_AT": "createdAt",
    "UPDATED_AT": "updatedAt",
    "PUSHED_AT": "pushedAt",
    "NAME": "name",
    "STARGAZERS": "stargazerCount",
}


def _ordered(things: list[Thing], arguments: dict[str, Any]) -> Thing:
    order = arguments.get("orderBy")
    if not order:
        return connection(things, arguments)
    field = _ORDERED_BY[order["field"]]
    descending = order["direction"] == "DESC"
    return connection(things, arguments, value=lambda thing: thing[field], descending=descending)


@_resolves("Repository.pullRequests", "Repository.issues", "Repository.releases", "Repository.deployments")
def _of_repository(repo: Thing, info: GraphQLResolveInfo, **arguments: Any) -> Thing:
    place = {"pullRequests": "_pull_requests"}.get(info.field_name, f"_{info.field_name}")
    things = repo[place]
    wanted = arguments.get("filterBy") or {}
    if states := arguments.get("states") or wanted.get("states"):
        things = [thing for thing in things if thing["state"] in states]
    if since := wanted.get("since"):
        things = [thing for thing in things if thing["updatedAt"] >= since]
    return _ordered(things, arguments)


@_resolves("Repository.visibility")
def _visibility(repo: Thing, _: GraphQLResolveInfo) -> str:
    return "PRIVATE" if repo["isPrivate"] else "PUBLIC"


@_resolves("Repository.defaultBranchRef")
def _default_branch(repo: Thing, _: GraphQLResolveInfo) -> Thing | None:
    if repo["_head"] is None:
        return None
    target = repo["_commits"][repo["_head"]]
    return {"id": f"REF_{repo['id']}", "name": repo["_branch"], "prefix": "refs/heads/", "target": target}


@_resolves("Repository.object")
def _object(repo: Thing, _: GraphQLResolveInfo, **arguments: Any) -> Thing | None:
    found: Thing | None = repo["_commits"].get(arguments.get("oid"))
    return found


@_resolves("Repository.repositoryTopics")
def _topics(repo: Thing, _: GraphQLResolveInfo, **arguments: Any) -> Thing:
    return connection(repo["_topics"], arguments)


@_resolves("Commit.parents")
def _parents(commit: Thing, _: GraphQLResolveInfo, **arguments: Any) -> Thing:
    commits = commit["_repo"]["_commits"]
    parents = [{**commits[oid], "databaseId": place} for place, oid in enumerate(commit["_parents"])]
    return connection(parents, arguments)


@_resolves("Commit.history")
def _history(commit: Thing, _: GraphQLResolveInfo, **arguments: Any) -> Thing:
    """As `git log`: by date, but never a commit before all that build on it."""
    repo = commit["_repo"]
    return by_offset(_in_order(repo, commit["oid"]), arguments, commit["oid"])


def _in_order(repo: Thing, head: str) -> list[Thing]:
    commits: dict[str, Thing] = repo["_commits"]
    wanted = reachable(repo, head)
    children = dict.fromkeys(wanted, 0)
    for oid in wanted:
        for parent in commits[oid]["_parents"]:
            children[parent] += 1
    ready, ordered = [head], []
    while ready:
        ready.sort(key=lambda oid: (commits[oid]["committedDate"], commits[oid]["databaseId"]))
        oid = ready.pop()
        ordered.append(commits[oid])
        for parent in commits[oid]["_parents"]:
            children[parent] -= 1
            if not children[parent]:
                ready.append(parent)
    return ordered


@_resolves("PullRequest.labels", "Issue.labels", "PullRequest.assignees", "Issue.assignees")
def _tags(thing: Thing, info: GraphQLResolveInfo, **arguments: Any) -> Thing:
    things = [{**each, "databaseId": place} for place, each in enumerate(thing[f"_{info.field_name}"])]
    return connection(things, arguments)


@_resolves(
    "PullRequest.commits",
    "PullRequest.reviews",
    "PullRequest.comments",
    "Issue.comments",
    "PullRequestReviewThread.comments",
)
def _children(thing: Thing, info: GraphQLResolveInfo, **arguments: Any) -> Thing:
    return connection(thing[f"_{info.field_name}"], arguments)


@_resolves("PullRequest.reviewThreads")
def _threads(pull: Thing, _: GraphQLResolveInfo, **arguments: Any) -> Thing:
    return connection(pull["_threads"], arguments)


@_resolves("PullRequest.merged")
def _merged(pull: Thing, _: GraphQLResolveInfo) -> bool:
    return bool(pull["state"] == "MERGED")
