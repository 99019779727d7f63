"""The command line: `nayan VERB ...`. One small file a verb, imported when that verb is called.

This module is all that `nayan --help` loads, so it imports nothing: that is what keeps it instant.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

VERBS = {
    "demo": "make sample data, train, report and predict: the whole tour, without network",
    "sample": "write a sample data set in its usual format",
    "doctor": "say what a data set is, how much of it there is, and what is wrong with it",
    "convert": "rewrite a data set in another format; the original is never changed",
    "split": "divide a data set into train, val and test, without leakage between them",
    "models": "list the catalogue: paper, parameters, licences of code and weights",
    "train": "train a model on a folder of pictures",
    "val": "score a model on a data set",
    "predict": "say what a model sees in pictures",
    "verify": "say whether two pictures show the same, or many pairs of them",
    "portrait": "put a person before another background, or the background out of focus",
    "embed": "turn pictures into vectors, in which what is alike lies near",
    "index": "make an index of pictures to search in, or bring one up to date",
    "search": "find the pictures of an index that are like a picture",
    "recommend": "find the pictures of an index that are like one of them",
    "duplicates": "list the pictures of an index that are nearly the same",
    "upscale": "make pictures two or four times larger, with detail",
    "inpaint": "fill parts of a picture in: a logo, a date, a scratch",
    "translate": "turn pictures of one domain into pictures of another, such as summer into winter",
    "stylize": "paint what a photograph shows in the style of another picture",
    "generate": "draw pictures with a trained generator",
    "caption": "say in a sentence what pictures show",
    "augment": "train a generator on a small set, and say whether what it draws helps a classifier",
    "explain": "look inside a network: layers, filters, feature maps, Grad-CAM",
    "export": "turn a trained model into ONNX or OpenVINO, and prove that it answers alike",
    "check-bundle": "check that a bundle is complete and unchanged, and answers as it did",
}
"""Every verb with its summary; `nayan.cli.check_bundle:check_bundle` is the function of "check-bundle"."""

HELP_FLAGS = ("--help", "-h")

_EPILOGUE = """\
nayan VERB --help    the options of one verb
nayan --version      the version

MODEL is a run folder or a bundle. Results go to stdout, progress to stderr; --json prints one document.
Exit codes: 0 ok, 1 failed, 2 usage, 3 data, 4 model, 5 export, 130 interrupted, 143 terminated."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code.

    Args:
        arguments: without the program's name; by default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words != ["help"] and words[0] not in HELP_FLAGS:
        from nayan.cli.app import run

        return run(words)
    return _print_quietly(overview())


def overview() -> str:
    """Return the text of `nayan --help`."""
    width = max(map(len, VERBS)) + 2
    verbs = "\n".join(f"  {verb:<{width}}{summary}" for verb, summary in VERBS.items())
    return (
        "nayan: a folder of pictures in, a working vision model out.\n\n"
        f"Usage: nayan VERB [arguments] [--options]\n\n{verbs}\n\n{_EPILOGUE}"
    )


def _print_quietly(text: str) -> int:
    """Print; a reader that closed the pipe early (`| head`) is no error worth a traceback."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        forget_stdout()
        return 1
    return 0


def forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter does not complain about a closed pipe at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
