"""The names of the formats, for those who only talk about them: importing the readers takes time."""

CLASS_FORMATS = ("folder", "csv", "idx")
"""Of data sets with one class a picture."""

BOX_FORMATS = ("coco", "yolo", "voc", "csv_boxes", "labelme", "cvat", "label_studio")
"""Of data sets with objects in boxes."""

DRAWN = {"coco": "coco_masks", "yolo": "yolo_masks", "labelme": "labelme_masks"}
"""Formats of outlines, each with the one that draws masks from the same files, where masks are wanted."""

MASK_FORMATS = ("masks", *DRAWN.values())
"""Of data sets with a class for every pixel."""

IDENTITY_FORMATS = ("identities", "pairs", "items")
"""Of data sets that say which pictures show the same; those of classes can be read so too."""

CAPTION_FORMATS = ("captions",)
"""Of data sets that describe each picture in words."""

DOMAIN_FORMATS = ("domains",)
"""Of two sets of pictures that are to be translated into each other."""

PICTURE_FORMATS = ("pictures",)
"""Of pictures of which nothing is said: read where a task needs no truth."""

WITHOUT_CROWDS = ("yolo",)
"""Those of boxes that cannot say that a box stands for many objects, or is not to be judged by."""

FORMATS = (
    *CLASS_FORMATS, *BOX_FORMATS, *MASK_FORMATS, *IDENTITY_FORMATS, *CAPTION_FORMATS, *DOMAIN_FORMATS,
    *PICTURE_FORMATS,
)  # fmt: skip
"""All of them, in the order of `nayan.data.readers.READERS`."""


def target_of(format: str) -> str:
    """Return the name of the type in `core.types` that a format's ground truth has, "None" for no truth.

    >>> target_of("coco"), target_of("coco_masks"), target_of("pictures")
    ('Boxes', 'MaskSource', 'None')
    """
    kinds = {
        "MaskSource": MASK_FORMATS,
        "Boxes": BOX_FORMATS,
        "Identity": IDENTITY_FORMATS,
        "Caption": CAPTION_FORMATS,
        "Domain": DOMAIN_FORMATS,
        "None": PICTURE_FORMATS,
    }
    return next((kind for kind, formats in kinds.items() if format in formats), "Label")
