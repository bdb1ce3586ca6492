"""What a query costs and whether it is allowed, by the rules that GitHub documents.

A connection needs `first` or `last`, 1 to 100. Nodes are counted as if every list were full: 500,000 at most.
Points are the requests that fulfil each connection (one, for each node of the lists around it), by 100, at
least 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_object_type,
    value_from_ast_untyped,
)

MOST_NODES = 500_000
MOST_OF_A_PAGE = 100


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """Why a query is not executed, as an error of GraphQL."""

    type: str
    message: str

    def as_error(self) -> dict[str, Any]:
        return {"type": self.type, "message": self.message}


@dataclass(slots=True)
class Cost:
    """Of one call."""

    requests: int = 0
    nodes: int = 0

    @property
    def points(self) -> int:
        return max(1, round(self.requests / 100))


def cost_of(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> Cost:
    """Raises: Refusal: a page without bounds or past them, too many nodes."""
    fragments = {
        each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
    }
    (operation,) = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    given = {
        each.variable.name.value: value_from_ast_untyped(each.default_value)
        for each in operation.variable_definitions
        if each.default_value
    } | dict(variables)
    cost = Cost()
    counter = _Counter(schema, fragments, given, cost)
    counter.count(operation.selection_set, schema.query_type, 1)
    if cost.nodes > MOST_NODES:
        raise Refusal(
            "MAX_NODE_LIMIT_EXCEEDED",
            f"This query requests up to {cost.nodes:,} possible nodes which exceeds the maximum limit of "
            f"{MOST_NODES:,}.",
        )
    return cost


@dataclass(slots=True)
class _Counter:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Mapping[str, Any]
    cost: Cost

    def count(self, selections: SelectionSetNode | None, type_: Any, times: int) -> None:
        for each in selections.selections if selections else ():
            if isinstance(each, FragmentSpreadNode):
                fragment = self.fragments[each.name.value]
                inner = self.schema.type_map[fragment.type_condition.name.value]
                self.count(fragment.selection_set, inner, times)
            elif isinstance(each, InlineFragmentNode):
                condition = each.type_condition
                inner = self.schema.type_map[condition.name.value] if condition else type_
                self.count(each.selection_set, inner, times)
            elif isinstance(each, FieldNode):
                self._count_field(each, type_, times)

    def _count_field(self, node: FieldNode, type_: Any, times: int) -> None:
        name = node.name.value
        field = getattr(type_, "fields", {}).get(name)
        if field is None:
            return
        inner = get_named_type(field.type)
        given = {
            each.name.value: value_from_ast_untyped(each.value, dict(self.variables))
            for each in node.arguments
        }
        if is_object_type(inner) and inner.name.endswith("Connection"):
            size = self._size(name, given)
            self.cost.requests += times
            self.cost.nodes += times * size
            times *= size
        elif name == "nodes" and isinstance(given.get("ids"), list):
            times *= len(given["ids"])
            self.cost.nodes += times
        self.count(node.selection_set, inner, times)

    def _size(self, name: str, given: Mapping[str, Any]) -> int:
        bounds = [given[bound] for bound in ("first", "last") if given.get(bound) is not None]
        if len(bounds) != 1:
            raise Refusal(
                "MISSING_PAGINATION_BOUNDARIES",
                f"You must provide a `first` or `last` value to properly paginate the `{name}` connection.",
            )
        size = int(bounds[0])
        if not 1 <= size <= MOST_OF_A_PAGE:
            raise Refusal(
                "EXCESSIVE_PAGINATION",
                f"Requesting {size} records on the `{name}` connection exceeds the `first` limit of "
                f"{MOST_OF_A_PAGE} records.",
            )
        return size
