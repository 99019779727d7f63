"""A filter of one's own, slid over a picture: what a convolution does, with every product written out.

Torch-free. Networks compute the *correlation* (the kernel is laid on the picture as it is written);
the convolution of signal processing turns the kernel by 180 degrees first. For a symmetric kernel they
are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from nayan.core.errors import ConfigError, NotFound
from nayan.core.story import Panel, Story, Table
from nayan.core.types import Image
from nayan.explain.paint import colour, enlarge, fit, framed, number_grid, row, short
from nayan.explain.subject import Subject

KERNELS: Mapping[str, str] = MappingProxyType(
    {
        "identity": "0 0 0; 0 1 0; 0 0 0",
        "blur": "1/9 1/9 1/9; 1/9 1/9 1/9; 1/9 1/9 1/9",
        "gaussian": "1/16 2/16 1/16; 2/16 4/16 2/16; 1/16 2/16 1/16",
        "sharpen": "0 -1 0; -1 5 -1; 0 -1 0",
        "edge": "-1 -1 -1; -1 8 -1; -1 -1 -1",
        "laplacian": "0 1 0; 1 -4 1; 0 1 0",
        "sobel_x": "-1 0 1; -2 0 2; -1 0 1",
        "sobel_y": "-1 -2 -1; 0 0 0; 1 2 1",
        "prewitt_x": "-1 0 1; -1 0 1; -1 0 1",
        "prewitt_y": "-1 -1 -1; 0 0 0; 1 1 1",
        "scharr_x": "-3 0 3; -10 0 10; -3 0 3",
        "scharr_y": "-3 -10 -3; 0 0 0; 3 10 3",
        "emboss": "-2 -1 0; -1 1 1; 0 1 2",
    }
)
"""Known filters by name, in the notation that `parse_kernel` reads."""

_SHOWN_PX = 320


def parse_kernel(text: str) -> NDArray[np.float64]:
    """Return a kernel written by name or by numbers.

    Args:
        text: a name of `KERNELS`, or rows separated by ";" with numbers separated by spaces or commas;
            fractions such as 1/9 are allowed.

    Returns:
        (rows, columns) numbers, both odd.

    Raises:
        NotFound: if it is a word that names no kernel.
        ConfigError: if the rows differ in length, a side is even, or something is no number.

    >>> parse_kernel("0 -1 0; -1 5 -1; 0 -1 0").sum()
    np.float64(1.0)
    """
    text = text.strip().lower()
    if text in KERNELS:
        return parse_kernel(KERNELS[text])
    if text and text.replace("_", "").isalpha():
        raise NotFound("kernel", text, KERNELS, hint='or write numbers: "0 -1 0; -1 5 -1; 0 -1 0"')
    rows = [line.replace(",", " ").split() for line in text.split(";") if line.strip()]
    try:
        numbers = [[float(Fraction(word)) for word in line] for line in rows]
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(
            f"the kernel {text!r} holds something that is no number: {error}",
            hint='rows are separated by ";", numbers by spaces: "0 -1 0; -1 5 -1; 0 -1 0"',
        ) from error
    lengths = [len(line) for line in numbers]
    if not lengths or len(set(lengths)) != 1 or len(lengths) % 2 == 0 or lengths[0] % 2 == 0:
        raise ConfigError(
            f"a kernel has an odd number of rows of one odd length, found rows of {lengths} numbers",
            hint="an odd side gives the kernel a centre; pad with zeros where needed",
        )
    return np.array(numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Slide:
    """A kernel slid over a picture.

    Attributes:
        padded: (h + 2*pad_y, w + 2*pad_x) gray values with the zeros around them.
        kernel: (k_y, k_x) as it is laid on the picture.
        response: one dot product a position.
        stride: step in pixels.
        padding: (vertical, horizontal) zeros on each side.
    """

    padded: NDArray[np.float64]
    kernel: NDArray[np.float64]
    response: NDArray[np.float64]
    stride: int
    padding: tuple[int, int]

    def window(self, place: tuple[int, int]) -> NDArray[np.float64]:
        """Return the pixels under the kernel at a (row, column) of the response."""
        top, left = place[0] * self.stride, place[1] * self.stride
        return self.padded[top : top + self.kernel.shape[0], left : left + self.kernel.shape[1]]

    def centre(self, place: tuple[int, int]) -> tuple[int, int]:
        """Return the (x, y) pixel of the picture below the kernel's centre at a (row, column)."""
        y = place[0] * self.stride - self.padding[0] + self.kernel.shape[0] // 2
        x = place[1] * self.stride - self.padding[1] + self.kernel.shape[1] // 2
        return x, y

    def nearest(self, x: int, y: int) -> tuple[int, int]:
        """Return the (row, column) of the response whose window is centred nearest to a pixel."""
        row = round((y + self.padding[0] - self.kernel.shape[0] // 2) / self.stride)
        column = round((x + self.padding[1] - self.kernel.shape[1] // 2) / self.stride)
        height, width = self.response.shape
        return min(max(row, 0), height - 1), min(max(column, 0), width - 1)


def slide(
    gray: NDArray[np.floating],
    kernel: NDArray[np.floating],
    *,
    stride: int = 1,
    padding: int | str = 0,
    flip: bool = False,
) -> Slide:
    """Slide a kernel over a gray picture and take the dot product at every position.

    Args:
        gray: (h, w) numbers.
        kernel: (k_y, k_x), both odd.
        stride: step in pixels, from 1.
        padding: zeros on every side, or "same" for half the kernel.
        flip: turn the kernel by 180 degrees first: convolution in the sense of signal processing.

    Raises:
        ConfigError: if the stride or padding is impossible, or the kernel is larger than the padded picture.

    >>> slide(np.eye(3), np.ones((3, 3))).response
    array([[3.]])
    """
    laid = np.asarray(kernel[::-1, ::-1] if flip else kernel, np.float64)
    pads = _padding(padding, laid.shape)
    if stride < 1:
        raise ConfigError(f"the stride must be at least 1, got {stride}")
    padded = np.pad(np.asarray(gray, np.float64), ((pads[0],) * 2, (pads[1],) * 2))
    height, width = (side - span for side, span in zip(padded.shape, laid.shape, strict=True))
    if min(height, width) < 0:
        raise ConfigError(
            f"a {laid.shape[0]}x{laid.shape[1]} kernel does not fit a {gray.shape[0]}x{gray.shape[1]} "
            f"picture with padding {pads[0]}",
            hint="take a smaller kernel or more padding",
        )
    response = np.zeros((height // stride + 1, width // stride + 1))
    for (y, x), weight in np.ndenumerate(laid):
        response += weight * padded[y : y + height + 1 : stride, x : x + width + 1 : stride]
    return Slide(padded, laid, response, stride, pads)


def explain_kernel(
    subject: Subject,
    *,
    kernel: str = "edge",
    at: tuple[int, int] | None = None,
    stride: int = 1,
    padding: int | str = 0,
    flip: bool = False,
) -> Story:
    """Slide a kernel over the luma of the subject's picture and write one dot product out.

    Args:
        subject: only its picture is needed.
        kernel: see `parse_kernel`.
        at: (x, y) pixel of the picture; by default where the response is strongest.
        stride: see `slide`.
        padding: see `slide`.
        flip: see `slide`.

    Raises:
        ConfigError: if `at` lies outside the picture.
    """
    image = subject.picture
    gray = np.rint(image @ np.array([0.299, 0.587, 0.114]))  # ITU-R 601 luma
    slid = slide(gray, parse_kernel(kernel), stride=stride, padding=padding, flip=flip)
    if at is not None and not (0 <= at[0] < gray.shape[1] and 0 <= at[1] < gray.shape[0]):
        raise ConfigError(
            f"the point {at} lies outside the picture", hint=f"x < {gray.shape[1]} and y < {gray.shape[0]}"
        )
    strongest = np.unravel_index(np.abs(slid.response).argmax(), slid.response.shape)
    place = slid.nearest(*at) if at is not None else (int(strongest[0]), int(strongest[1]))
    return Story(f"The kernel {kernel}", [_map_panel(gray, slid, flip=flip), _dot_panel(slid, place, kernel)])


def _padding(padding: int | str, kernel: tuple[int, ...]) -> tuple[int, int]:
    if padding == "same":
        return kernel[0] // 2, kernel[1] // 2
    if isinstance(padding, str) or padding < 0:
        raise ConfigError(f"the padding is a number from 0 or 'same', got {padding!r}")
    return padding, padding


def _map_panel(gray: NDArray[np.float64], slid: Slide, *, flip: bool) -> Panel:
    total = float(slid.kernel.sum())
    is_picture = total > 0.5
    if is_picture:
        painted = _gray_image(slid.response)
        reading = (
            f"The weights sum to {short(total)}, so the response is again a picture; it is shown as one."
        )
    else:
        limit = float(np.percentile(np.abs(slid.response), 98)) or 1.0
        painted = colour(slid.response, palette="signed", high=limit)
        reading = (
            f"The weights sum to {short(total)}, so flat areas give about 0 (white). "
            "Red is a positive response, blue a negative one."
        )
    kernel_px = max(34, 130 // max(slid.kernel.shape))
    picture = row(
        [fit(_gray_image(gray), _SHOWN_PX), _kernel_image(slid.kernel, kernel_px), fit(painted, _SHOWN_PX)],
        captions=["picture (luma)", "kernel", "response"],
    )
    kind = "The kernel slides over the picture; at each stop pixels and weights are multiplied and added"
    turned = (
        "turned by 180 degrees: convolution" if flip else "as it is written: correlation, as in every CNN"
    )
    return Panel(
        "Response map",
        f"{kind} ({turned}). Output size: {_size_text(gray.shape, slid)}. {reading}",
        image=picture,
        data={
            "kernel": slid.kernel.tolist(),
            "stride": slid.stride,
            "padding": list(slid.padding),
            "output_size": list(slid.response.shape),
            "minimum": float(slid.response.min()),
            "maximum": float(slid.response.max()),
        },
    )


def _dot_panel(slid: Slide, place: tuple[int, int], name: str) -> Panel:
    window, value = slid.window(place), float(slid.response[place])
    x, y = slid.centre(place)
    terms = [
        (
            f"({short(float(w))})" if w < 0 else short(float(w)),
            short(float(p)),
        )
        for w, p in zip(slid.kernel.ravel(), window.ravel(), strict=True)
    ]
    text = " + ".join(f"{w}*{p}" for w, p in terms) + f" = {short(value)}"
    products = slid.kernel * window
    cell = 46
    tints = np.repeat(np.clip(window, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
    limit = float(np.abs(products).max()) or 1.0
    picture = row(
        [
            _context(slid, place),
            number_grid(window, tints=tints, cell_px=cell),
            _kernel_image(slid.kernel, cell),
            number_grid(products, tints=colour(products, palette="signed", high=limit * 1.6), cell_px=cell),
        ],
        captions=["where", "pixels", "weights", f"products: they add up to {short(value)}"],
    )
    rows = tuple(
        (r, c, float(window[r, c]), float(slid.kernel[r, c]), float(products[r, c]))
        for r, c in np.ndindex(*window.shape)
    )
    return Panel(
        "One dot product",
        f"The kernel {name} centred on pixel x = {x}, y = {y} "
        f"(row {place[0]}, column {place[1]} of the response): {text}",
        image=picture,
        table=Table(("row", "column", "pixel", "weight", "product"), rows),
        data={"x": x, "y": y, "row": place[0], "column": place[1], "response": value, "sum": text},
    )


def _size_text(shape: tuple[int, ...], slid: Slide) -> str:
    texts = []
    for axis, name in ((0, "height"), (1, "width")):
        side, kernel, pad = shape[axis], slid.kernel.shape[axis], slid.padding[axis]
        fraction = f"({side} - {kernel} + 2*{pad})/{slid.stride}"
        exact = (side - kernel + 2 * pad) % slid.stride == 0
        texts.append(
            f"{name} {fraction if exact else f'floor({fraction})'} + 1 = {slid.response.shape[axis]}"
        )
    return ", ".join(texts)


def _context(slid: Slide, place: tuple[int, int]) -> Image:
    """Return the neighbourhood of the window, enlarged, with the window framed; padding is black."""
    around, cell = 9, 9
    top, left = place[0] * slid.stride, place[1] * slid.stride
    k_y, k_x = slid.kernel.shape
    y0, x0 = max(0, top - around), max(0, left - around)
    part = slid.padded[y0 : top + k_y + around, x0 : left + k_x + around]
    image = enlarge(_gray_image(part), (part.shape[0] * cell, part.shape[1] * cell))
    box = ((left - x0) * cell, (top - y0) * cell, (left - x0 + k_x) * cell, (top - y0 + k_y) * cell)
    return framed(image, box)


def _kernel_image(kernel: NDArray[np.float64], cell_px: int) -> Image:
    limit = float(np.abs(kernel).max()) or 1.0
    return number_grid(kernel, tints=colour(kernel, palette="signed", high=limit * 1.6), cell_px=cell_px)


def _gray_image(values: NDArray[np.float64]) -> Image:
    clipped = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return np.repeat(clipped[:, :, None], 3, axis=2)
