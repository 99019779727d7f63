"""The help of one verb as plain text.

Written here because the help of Cyclopts loads Rich, which would cost more than everything else together.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from nayan.cli import VERBS

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.argument import Argument

_COLUMN = 26
_WORDS = {"int": "N", "float": "F", "str": "TEXT", "Path": "PATH"}


def verb_help(app: App, verb: str) -> str:
    """Return what a verb does, its arguments and its options in groups, wrapped to the terminal."""
    command = app[verb]
    everything = [a for a in command.assemble_argument_collection() if a.show and not a.name.startswith("*")]
    positional = [a for a in everything if not a.name.startswith("-")]
    usage = " ".join(["Usage: nayan", verb, *map(_usage, positional), "[--options]"])
    blocks = [usage, _sentence(VERBS[verb]), *_description(command)]
    for title, members in _groups(everything):
        blocks.append("\n".join([f"{title}:", *(line for a in members for line in _lines(a))]))
    return "\n\n".join(blocks)


def _groups(arguments: Iterable[Argument]) -> list[tuple[str, list[Argument]]]:
    """Return the arguments by the title of their group, positional ones first, those of every verb last."""
    groups: dict[str, list[Argument]] = {}
    ranks: dict[str, tuple[int, int]] = {}
    for argument in arguments:
        group = argument.parameter.group[0]  # type: ignore[index]
        title = {"Parameters": "Options"}.get(group.name, group.name)
        groups.setdefault(title, []).append(argument)
        rank = -1 if title == "Arguments" else int(group.name == "Everywhere")
        ranks.setdefault(title, (rank, len(ranks)))
    return sorted(groups.items(), key=lambda item: ranks[item[0]])


def _lines(argument: Argument) -> Iterator[str]:
    name = "  " + ", ".join(argument.names) + _placeholder(argument)
    wrapped = textwrap.wrap(_help(argument), max(30, _width() - _COLUMN)) or [""]
    if len(name) + 2 > _COLUMN:
        yield name
    else:
        yield f"{name:<{_COLUMN}}{wrapped.pop(0)}"
    yield from (" " * _COLUMN + line for line in wrapped)


def _help(argument: Argument) -> str:
    default = argument.field_info.default
    text = argument.parameter.help or ""
    if isinstance(default, str | int | float) and not isinstance(default, bool) and default != "":
        return f"{text} [default: {default}]"
    return text


def _placeholder(argument: Argument) -> str:
    if not argument.name.startswith("-") or argument.is_flag() or bool in get_args(argument.hint):
        return ""
    if argument.parameter.metavar:
        return f" {argument.parameter.metavar}"
    choices = argument.get_choices()
    return " " + ("|".join(choices) if choices else _type_word(argument.hint))


def _type_word(hint: Any) -> str:
    if get_origin(hint) not in (None, Literal) and get_args(hint):
        return _type_word(get_args(hint)[0])
    return _WORDS.get(getattr(hint, "__name__", ""), "VALUE")


def _usage(argument: Argument) -> str:
    name = argument.name + ("..." if argument.token_count()[1] else "")
    return name if argument.required else f"[{name}]"


def _description(command: App) -> list[str]:
    """Return the paragraphs of a verb's docstring after its first line."""
    _, _, rest = textwrap.dedent(command.default_command.__doc__ or "").partition("\n\n")
    rest = textwrap.dedent(rest).strip()
    return [rest] if rest else []


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _width() -> int:
    return min(shutil.get_terminal_size((100, 24)).columns, 110)
