"""Writes `report.html`: one file that needs no network, no script and no other file."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image as PillowImage

from nayan.core.errors import DataError, MissingExtra
from nayan.core.svg import visible
from nayan.core.types import Image
from nayan.report.page import Page, make_page
from nayan.report.record import read_run

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
FINE = 0.1
"""Numbers below it are told with one more digit."""
KINDS = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def write_report(run: Path) -> Path:
    """Write the report of a run into its folder and return the file.

    Everything is read from the folder; what is missing in it is left out of the page. Names of
    classes and files are untrusted and come out as text, and the page forbids itself to load
    anything.

    Args:
        run: folder of the run, finished or not.

    Raises:
        DataError: if `run` is no folder, or holds nothing that a run writes.
        MissingExtra: if Jinja2 is not installed.
    """
    record = read_run(run)
    if not (record.options or record.events or record.rows or record.evaluations):
        what = "holds no run" if run.is_dir() else "is no folder"
        raise DataError(
            f"{run} {what}: config.yaml, events.jsonl, results.csv or evaluation/ is needed",
            hint="give the folder that `nayan train` named at its end, such as runs/classify/lenet",
        )
    path = run / "report.html"
    path.write_text(render(make_page(record), run / "evaluation"), encoding="utf-8")
    return path


def render(page: Page, pictures: Path) -> str:
    """Return a page as HTML.

    Args:
        page: what is told.
        pictures: the folder of the pictures that its panels name; they are put into the page.

    Raises:
        MissingExtra: if Jinja2 is not installed.
    """
    environment = _environment()
    environment.globals["picture"] = lambda name: _data_uri(pictures, str(name))
    return environment.get_template("report.html.j2").render(page=page)


def _environment() -> Environment:
    """Return Jinja2 with escaping on, and the filters of our template."""
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtra("jinja2, which lays out the report,", "train") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
    )
    environment.filters |= {"prose": _prose, "cell": _cell, "png": _png, "share": _share}
    return environment


def _prose(text: str) -> Any:
    """Return escaped text in which `words between backticks` are code, and no line breaks before a "%"."""
    from markupsafe import Markup, escape

    unbroken = str(escape(visible(text))).replace(" %", "&nbsp;%")
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", unbroken))


def _cell(value: Any, *, percent: bool = False) -> str:
    """Return a number as it stands in a table; text unchanged.

    >>> _cell(12345), _cell(0.91234), _cell(0.00824), _cell(0.5, percent=True), _cell("cat"), _cell(None)
    ('12,345', '0.912', '0.0082', '50.0 %', 'cat', '-')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if percent:
        return f"{100 * value:.1f} %"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if 0 < abs(value) < FINE else f"{value:.3f}"


def _share(value: Any, full: float) -> str:
    """Return how long a bar is as a CSS percentage in 0-100; 0 for what is no number."""
    if not isinstance(value, int | float) or not full > 0:
        return "0"
    return f"{100 * min(1.0, max(0.0, value / full)):.1f}"


def _data_uri(folder: Path, name: str) -> str:
    """Return a picture of the folder as a data URI; "" where there is none, or it lies outside."""
    path = (folder / name).resolve()
    kind = KINDS.get(path.suffix.lower())
    if kind is None or not path.is_relative_to(folder.resolve()) or not path.is_file():
        return ""
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _png(image: Image) -> str:
    buffer = io.BytesIO()
    PillowImage.fromarray(image).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
