"""What `nayan predict` says of the mask of a picture, and the files that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nayan.core.errors import ConfigError, NotFound
from nayan.core.types import SemanticMask
from nayan.tasks.segmentation.counting import count
from nayan.tasks.segmentation.records import Form, mask_files, rows, write_masks


@dataclass(frozen=True, slots=True)
class MaskRequest:
    """What is wanted of masks beside their areas.

    Attributes:
        masks: the files to write.
        mm_per_px: how wide a pixel is, for areas in mm².
        count: the class whose things are counted.
    """

    masks: tuple[Form, ...] = ()
    mm_per_px: float | None = None
    count: str | None = None

    def check(self, classes: Sequence[str], folder: Path | None) -> None:
        """Raise NotFound for a class that is not there, ConfigError for files without a folder."""
        if self.count is not None and self.count not in classes:
            raise NotFound("class", self.count, classes)
        if self.masks and folder is None:
            raise ConfigError(f"--masks {self.masks[0]}: there is no folder for them", hint="add --out DIR")

    def rows(self, prediction: SemanticMask, classes: Sequence[str], **shown: Any) -> list[dict[str, Any]]:
        """Return the rows of one picture, each with its mask as COCO writes run lengths.

        The row of the class that is counted has "count" and its "things" too.
        """
        found = rows(prediction, classes, mm_per_px=self.mm_per_px, mask="rle", **shown)
        for row in found:
            if row["label"] == self.count:
                mask = prediction.ids == classes.index(self.count)
                things = count(mask, mm_per_px=self.mm_per_px).record()
                row |= {"count": things["count"], "things": things["things"]}
        return found

    def write(
        self, prediction: SemanticMask, classes: Sequence[str], *, folder: Path, name: str
    ) -> list[Path]:
        """Write the files of one picture under a name; return their paths."""
        files = mask_files(prediction, classes, self.masks, mm_per_px=self.mm_per_px)
        return write_masks(files, folder, name)
