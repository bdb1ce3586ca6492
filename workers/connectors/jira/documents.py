"""The text of an Atlassian document: what a person reads, without its marks."""

from __future__ import annotations

from typing import Any

_BLOCKS = {
    "paragraph", "heading", "codeBlock", "blockquote", "listItem", "tableRow", "rule", "mediaSingle", "panel",
    "taskItem", "decisionItem",
}  # fmt: skip
_DEEPEST = 200


def document_text(value: Any) -> str | None:
    """Plain text of a document (API 3) or of what is a text already (API 2); None for nothing.

    A block is a line; mentions, emojis, cards and dates as what they show.
    """
    if value is None or isinstance(value, str):
        return value
    pieces: list[str] = []
    _collect(value, pieces, 0)
    lines = "".join(pieces).split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _collect(node: Any, pieces: list[str], depth: int) -> None:
    if isinstance(node, list):
        for each in node:
            _collect(each, pieces, depth)
        return
    if not isinstance(node, dict) or depth > _DEEPEST:
        return
    kind = node.get("type")
    attributes = node.get("attrs")
    shown = attributes if isinstance(attributes, dict) else {}
    if kind == "text":
        pieces.append(str(node.get("text", "")))
    elif kind == "hardBreak":
        pieces.append("\n")
    elif kind in ("mention", "emoji", "status"):
        pieces.append(str(shown.get("text") or shown.get("shortName") or ""))
    elif kind in ("inlineCard", "blockCard", "embedCard"):
        pieces.append(str(shown.get("url") or ""))
    elif kind == "date":
        pieces.append(str(shown.get("timestamp") or ""))
    elif kind in ("tableCell", "tableHeader") and pieces and not pieces[-1].endswith("\n"):
        pieces.append("\n")
    _collect(node.get("content"), pieces, depth + 1)
    if kind in _BLOCKS and pieces and not pieces[-1].endswith("\n"):
        pieces.append("\n")
