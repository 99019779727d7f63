"""The names of the formats, for those who only talk about them: importing the readers takes time."""

CLASS_FORMATS = ("folder", "csv", "idx")
"""Of data sets with one class a picture."""

BOX_FORMATS = ("coco", "yolo", "voc", "csv_boxes", "labelme", "cvat", "label_studio")
"""Of data sets with objects in boxes."""

WITHOUT_CROWDS = ("yolo",)
"""Those of boxes that cannot say that a box stands for many objects, or is not to be judged by."""

FORMATS = (*CLASS_FORMATS, *BOX_FORMATS)
"""All of them, in the order of `nayan.data.readers.READERS`."""
