"""PSNR and SSIM against numbers worked out by hand, and against the definition written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nayan.core.errors import ShapeError
from nayan.tasks.generation.picture_scores import BEST_PSNR, RADIUS, psnr, ssim, ssim_map

RNG = np.random.default_rng(3)
A = RNG.integers(0, 256, (24, 20, 3), dtype=np.uint8)
B = np.clip(A.astype(int) + RNG.integers(-30, 30, A.shape), 0, 255).astype(np.uint8)


def test_psnr_is_that_of_its_formula() -> None:
    error = float(((A.astype(float) - B) ** 2).mean())
    assert psnr(A, B) == pytest.approx(20 * math.log10(255) - 10 * math.log10(error))


def test_only_the_pixels_that_count_are_counted() -> None:
    other = A.copy()
    other[:4] = 255 - other[:4]
    rest = np.ones(A.shape[:2], bool)
    rest[:4] = False
    assert psnr(other, A, where=rest) == BEST_PSNR
    assert psnr(other, A, where=~rest) < psnr(other, A) < BEST_PSNR
    assert psnr(other, A, where=np.zeros_like(rest)) == BEST_PSNR


def test_ssim_of_a_window_is_the_definition_of_wang_et_al() -> None:
    grid = np.arange(-RADIUS, RADIUS + 1)
    line = np.exp(-(grid**2) / (2 * 1.5**2))
    weights = np.outer(line, line)
    weights /= weights.sum()
    x, y = (part[:11, :11, 0].astype(float) for part in (A, B))
    mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
    var_x, var_y = (weights * (x - mean_x) ** 2).sum(), (weights * (y - mean_y) ** 2).sum()
    both = (weights * (x - mean_x) * (y - mean_y)).sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    wanted = (
        (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    )
    assert ssim_map(A, B)[0, 0, 0] == pytest.approx(wanted, abs=1e-9)
    assert ssim_map(A, B).shape == (14, 10, 3)


def test_ssim_is_one_for_the_same_picture_and_symmetric() -> None:
    assert ssim(A, A) == pytest.approx(1.0)
    assert ssim(A, B) == pytest.approx(ssim(B, A))
    assert -1 <= ssim(A, 255 - A) < ssim(A, B) < 1


def test_ssim_of_some_windows_is_their_mean() -> None:
    where = np.zeros(A.shape[:2], bool)
    where[RADIUS, RADIUS] = True
    assert ssim(A, B, where=where) == pytest.approx(float(ssim_map(A, B)[0, 0].mean()))
    assert ssim(A, B, where=np.zeros_like(where)) == 1.0


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ShapeError, match="one size"):
        psnr(A, B[:-1])
    with pytest.raises(ShapeError, match="one size"):
        ssim(A, B[:-1])
    with pytest.raises(ShapeError, match="a window of 11 px"):
        ssim(A[:8, :8], B[:8, :8])
