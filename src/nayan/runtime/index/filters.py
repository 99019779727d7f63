"""Conditions on metadata, written as text: `category = "Fruit" and price < 10`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from nayan.core.errors import ConfigError

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in"]
Literals = str | float | int | bool

_EXAMPLE = 'for example: category = "Fruit" and price < 10 and colour in (red, "dark blue")'
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"]|"")*"|'(?:[^']|'')*')
      | (?P<operator><=|>=|!=|==|=|<|>)
      | (?P<mark>[(),])
      | (?P<word>[^\s"'(),<>=!]+)
    )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """What one field has to be.

    Attributes:
        field: its name. A row without it never meets the condition, not even `!=`.
        operator: how its value is compared.
        values: with what: one, or with "in" any number. Text is compared with text, numbers with numbers.
    """

    field: str
    operator: Operator
    values: tuple[Literals, ...]

    def __str__(self) -> str:
        shown = ", ".join(
            f'"{value}"' if isinstance(value, str) else str(value).lower() for value in self.values
        )
        return f"{self.field} {self.operator} {f'({shown})' if self.operator == 'in' else shown}"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


def parse_filter(text: str) -> tuple[Condition, ...]:
    """Return the conditions, all of which a row must meet.

    A condition is a field, one of = != < <= > >= or `in (…, …)`, and a value; `and` joins them. Values are
    numbers, true, false, or text; what has spaces or marks in it, looks like a number or is one of these
    words needs quotes, and a quote inside is doubled. A field may be quoted, too.

    Raises:
        ConfigError: if the text is nothing of that kind.

    >>> [str(condition) for condition in parse_filter("category = Fruit and price<10 and id in (1, 'a b')")]
    ['category = "Fruit"', 'price < 10', 'id in (1, "a b")']
    """
    return _Parser(text).conditions()


def mismatch(condition: Condition, example: object) -> ConfigError:
    """Return the error of a condition that compares with another kind than the field holds.

    Args:
        condition: the condition.
        example: a value that the field holds.
    """
    kind = "text" if isinstance(condition.values[0], str) else "a number"
    return ConfigError(
        f"{condition}: compares with {kind}, but {condition.field} holds values such as {example!r}",
        hint="write text in quotes, numbers without",
    )


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._at = 0

    def conditions(self) -> tuple[Condition, ...]:
        found = [self._condition()]
        while self._at < len(self._tokens):
            token = self._next("and")
            if token.kind != "word" or token.text.lower() != "and":
                raise self._fault("expected `and`", token)
            found.append(self._condition())
        return tuple(found)

    def _split(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        end = len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                raise ConfigError(
                    f"filter {self._text!r}: cannot be read from column {at + 1} on", hint=_EXAMPLE
                )
            kind = cast(str, match.lastgroup)
            tokens.append(_Token(kind, match[kind], match.start(kind) + 1))
            at = match.end()
        return tokens

    def _next(self, expected: str) -> _Token:
        if self._at == len(self._tokens):
            raise ConfigError(f"filter {self._text!r}: ends where {expected} is expected", hint=_EXAMPLE)
        self._at += 1
        return self._tokens[self._at - 1]

    def _fault(self, expected: str, token: _Token) -> ConfigError:
        return ConfigError(
            f"filter {self._text!r}: {expected} at column {token.column}, found {token.text!r}", hint=_EXAMPLE
        )

    def _condition(self) -> Condition:
        field = self._next("a field")
        if field.kind not in ("word", "quoted"):
            raise self._fault("expected a field", field)
        sign = self._next("an operator")
        if sign.kind == "word" and sign.text.lower() == "in":
            return Condition(_plain(field), "in", self._list())
        if sign.kind != "operator":
            raise self._fault("expected one of = != < <= > >= in", sign)
        operator = cast(Operator, "=" if sign.text == "==" else sign.text)
        return Condition(_plain(field), operator, (self._value(),))

    def _list(self) -> tuple[Literals, ...]:
        values: list[Literals] = []
        self._mark("(")
        while True:
            values.append(self._value())
            if self._mark(",", ")") == ")":
                return tuple(values)

    def _mark(self, *allowed: str) -> str:
        expected = " or ".join(allowed)
        token = self._next(expected)
        if token.kind != "mark" or token.text not in allowed:
            raise self._fault(f"expected {expected}", token)
        return token.text

    def _value(self) -> Literals:
        token = self._next("a value")
        if token.kind == "quoted":
            return _plain(token)
        if token.kind != "word" or token.text.lower() in ("and", "in"):
            raise self._fault("expected a value", token)
        if token.text.lower() in ("true", "false"):
            return token.text.lower() == "true"
        if not _NUMBER.fullmatch(token.text):
            return token.text
        number = float(token.text)
        return int(token.text) if re.fullmatch(r"[+-]?\d{1,18}", token.text) else number


def _plain(token: _Token) -> str:
    if token.kind != "quoted":
        return token.text
    quote = token.text[0]
    return token.text[1:-1].replace(quote * 2, quote)
