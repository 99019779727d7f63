"""An XML file of somebody else: parsed safely, its lines found only where a fault must be named.

Document types are refused (defusedxml), and with them entities and references to other files: a small file
can then neither become a large one nor read what it should not.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError
from xml.sax.handler import ContentHandler
from xml.sax.xmlreader import AttributesImpl, Locator

import defusedxml.ElementTree
import defusedxml.sax
from defusedxml.common import DefusedXmlException

from nayan.core.errors import FormatError
from nayan.data.readers.boxes import Place

__all__ = ["Element", "place_of", "read_xml", "text_of"]


def read_xml(path: Path) -> Element:
    """Return the outermost element of an XML file.

    Raises:
        FormatError: if it cannot be read, is no XML, or has a document type; with the line if it has one.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}", hint="check permissions") from error
    try:
        root: Element = defusedxml.ElementTree.fromstring(raw, forbid_dtd=True)
    except ParseError as error:
        raise FormatError(
            f"{path}:{error.position[0]}: is not valid XML: {str(error).partition(':')[0]}",
            hint="open the file in an editor and repair this line, or fetch it again",
        ) from error
    except DefusedXmlException as error:
        raise FormatError(
            f"{path}: has a <!DOCTYPE ...>, which no annotation needs",
            hint="remove it: it can refer to other files and make this one grow",
        ) from error
    except (ValueError, LookupError) as error:  # an encoding that expat does not know
        raise FormatError(f"{path}:1: cannot be decoded: {error}", hint="save the file as UTF-8") from error
    return root


def text_of(element: Element | None, path: str = ".") -> str:
    """Return the text of the first element along a path, without the spaces around it; "" for none."""
    found = None if element is None else element.find(path)
    return "" if found is None or found.text is None else found.text.strip()


def place_of(path: Path, root: Element, element: Element) -> Place:
    """Return what finds out where an element begins, as "file:line".

    Args:
        path: the file that `root` was read from.
        root: the outermost element.
        element: the one to find below it.
    """
    return partial(_find, path, root, element)


def _find(path: Path, root: Element, element: Element) -> str:
    number = next(number for number, other in enumerate(root.iter()) if other is element)
    lines = _Lines(number)
    parser = defusedxml.sax.make_parser()
    parser.setContentHandler(lines)
    with path.open("rb") as stream:
        parser.parse(stream)
    return f"{path}:{lines.line}"


class _Lines(ContentHandler):
    """Notes the line on which the element of a number, in the order of the file, begins."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.line = 0
        self._left = number
        self._place: Locator

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - the name that SAX calls
        self._place = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802, ARG002
        if self._left == 0:
            self.line = self._place.getLineNumber() or 0
        self._left -= 1
