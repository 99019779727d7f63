"""From a command line to a verb, and from whatever goes wrong to a message and an exit code.

Cyclopts parses; every error, its own included, leaves in one shape: `error: …` and `hint: …` on stderr.
"""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError, MissingArgumentError

from nayan.cli import HELP_FLAGS, VERBS, forget_stdout
from nayan.cli.output import STDIN, Output
from nayan.core.errors import ConfigError, NayanError, NotFound

INTERRUPTED = 130


def run(words: Sequence[str]) -> int:
    """Run `nayan WORDS...` and return the exit code; only a signal handler's SystemExit passes through."""
    debug = "--debug" in words
    try:
        output = _call(list(words))
        if output.text:
            print(output.text)
        sys.stdout.flush()
        return output.exit_code
    except BrokenPipeError:
        forget_stdout()
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        message, hint, code = describe(error)
        print(f"error: {message}" + (f"\nhint: {hint}" if hint else ""), file=sys.stderr)
        return code


def make_app() -> App:
    """Return the parser of all verbs; the module of a verb is imported when it is called."""
    app = App(
        name="nayan",
        help_flags=[],
        version_flags=[],
        print_error=False,
        exit_on_error=False,
        verbose=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for verb, summary in VERBS.items():
        function = verb.replace("-", "_")
        app.command(f"nayan.cli.{function}:{function}", name=verb, help=summary)
    return app


def describe(error: Exception) -> tuple[str, str, int]:
    """Return (message, hint, exit code) of an error.

    >>> describe(ConfigError("epochs = 0", hint="at least one"))
    ('epochs = 0', 'at least one', 2)
    """
    if isinstance(error, NayanError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, CycloptsError):
        return _describe_usage(error)
    if isinstance(error, MemoryError):
        return "out of memory", "try a smaller --batch or --imgsz, or --cache off", 1
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}", "", 1
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text, "this is a bug in nayan; run again with --debug to see where", 1


def _call(words: list[str]) -> Output:
    if words[0] == "--version":
        import nayan

        return Output(f"nayan {nayan.__version__}")
    if words[0].startswith("-"):
        raise ConfigError(
            f"expected a verb first, got {words[0]!r}", hint="nayan VERB [arguments] [--options]"
        )
    if words[0] == "help":
        words = [*words[1:], "--help"]
    if words[0] not in VERBS:
        raise NotFound("command", words[0], VERBS, hint="see `nayan --help`")
    app = make_app()
    options = words[: words.index("--")] if "--" in words else words
    if any(flag in options for flag in HELP_FLAGS):
        from nayan.cli.help import verb_help

        return Output(verb_help(app, words[0]))
    with contextlib.redirect_stdout(sys.stderr):  # libraries that print must not spoil the result
        result = app([STDIN if word == "-" else word for word in words])
    assert isinstance(result, Output)
    return result


def _describe_usage(error: CycloptsError) -> tuple[str, str, int]:
    verb = f"{error.command_chain[0]} " if error.command_chain else ""
    if isinstance(error, MissingArgumentError) and error.argument and not error.argument.name.startswith("-"):
        return f"{error.argument.name} is missing", f"see `nayan {verb}--help`", 2
    text, _, guess = " ".join(str(error).split()).partition(" Did you mean ")
    text = re.sub(r"^Unused Tokens: (.*)$", r"unexpected arguments: \1", text.rstrip("."))
    hint = f"did you mean {guess}" if guess else f"see `nayan {verb}--help`"
    return text[:1].lower() + text[1:], hint, 2
