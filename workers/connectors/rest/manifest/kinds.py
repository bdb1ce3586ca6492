"""Kinds of values in a manifest: durations, templates, JMESPath expressions, names."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Annotated, Any, Final

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.parser import ParsedResult
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from workers.connectors.rest.manifest import template

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION: Final = re.compile(r"(?:\d+[smhdw])+")
_PART: Final = re.compile(r"(\d+)([smhdw])")
_MOST_SECONDS: Final = 100 * 366 * 86_400


class Part(BaseModel):
    """A part of a manifest: a field it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read_duration(text: Any) -> timedelta:
    """`90s`, `5m`, `1h30m`, `30d`, `2w`."""
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str) or not _DURATION.fullmatch(text):
        raise ValueError("not a duration; write 90s, 5m, 1h30m, 30d or 2w")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if seconds > _MOST_SECONDS:
        raise ValueError("longer than 100 years")
    return timedelta(seconds=seconds)


def _check_template(text: str) -> str:
    template.parse(text)
    return text


def _check_expression(text: str) -> str:
    compile_expression(text)
    return text


def _check_path(text: str) -> str:
    template.parse(text)
    if not text.startswith("/"):
        raise ValueError("a path begins with a slash and is put behind base_url")
    return text


def _check_address(text: str) -> str:
    """Of what stands there: a variable says its own when a run begins."""
    begins = next(iter(template.parse(text)), "")
    if isinstance(begins, str) and not begins.lower().startswith(("https://", "http://")):
        raise ValueError("no web address; it begins with https://, or with a {{ variables.NAME }} that does")
    return text


@lru_cache(maxsize=1_024)
def compile_expression(text: str) -> ParsedResult:
    """A JMESPath expression, ready for `.search(value)`.

    Raises:
        ValueError: it is none.
    """
    try:
        return jmespath.compile(text)
    except JMESPathError as error:
        what = " ".join(str(error).partition("\n")[0].split())
        raise ValueError(f"not a JMESPath expression: {what}") from None


Duration = Annotated[
    timedelta,
    BeforeValidator(read_duration),
    WithJsonSchema({"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["5m", "30d"]}),
]
Template = Annotated[str, AfterValidator(_check_template)]
"""A text with `{{ names }}`."""
AddressTemplate = Annotated[str, AfterValidator(_check_address)]
PathTemplate = Annotated[str, AfterValidator(_check_path)]
Expression = Annotated[str, AfterValidator(_check_expression)]
"""JMESPath."""


def _check_parameter(given: Any) -> Any:
    texts = given if isinstance(given, list | tuple) else [given]
    if not all(isinstance(text, str | int) for text in texts) or not texts:
        raise ValueError("a text, a whole number, true, false, or a list of texts is wanted")
    for text in texts:
        template.parse(str(text))
    return given if texts is not given else tuple(str(text) for text in texts)


def _check_overlap(given: Any) -> Any:
    if isinstance(given, int) and not isinstance(given, bool) and given >= 0:
        return given
    return read_duration(given)


_TEXTS: Final = {"type": "array", "items": {"type": "string"}, "minItems": 1}
Parameter = Annotated[
    str | int | bool | tuple[str, ...],
    BeforeValidator(_check_parameter),
    WithJsonSchema({"anyOf": [{"type": ["string", "integer", "boolean"]}, _TEXTS]}),
]
"""Of a query, its texts templates: a list is sent as the parameter repeated."""
Texts = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_check_parameter),
    WithJsonSchema({"anyOf": [{"type": "string"}, _TEXTS]}),
]
"""A list of texts, or a template that is one."""
Overlap = Annotated[
    timedelta | int,
    BeforeValidator(_check_overlap),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_DURATION.pattern}$"},
                {"type": "integer", "minimum": 0},
            ]
        }
    ),
]
