"""The 80 classes of COCO, in the order of their ids, and those ids. No torch here.

Source: Lin et al. (2014), Microsoft COCO, arXiv:1405.0312; the annotations of 2017 use 80 of 90 ids.
"""

from __future__ import annotations

_LIST = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,,"
    "backpack,umbrella,,,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,"
    "baseball glove,skateboard,surfboard,tennis racket,bottle,,wine glass,cup,fork,knife,spoon,bowl,"
    "banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,potted plant,"
    "bed,,dining table,,,toilet,,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,"
    "sink,refrigerator,,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
_BY_ID = tuple(_LIST.split(","))
"""Names of the ids 1 to 90; an id that no picture has is empty."""

COCO_CLASSES: tuple[str, ...] = tuple(name for name in _BY_ID if name)
"""Names; the place is our label."""

COCO_IDS: tuple[int, ...] = tuple(number for number, name in enumerate(_BY_ID, start=1) if name)
"""The id in COCO's files of each label: 1 to 90 with gaps."""

COCO_OUTPUTS = 91
"""What networks for COCO that count by ids give: the ids, and 0 for the background."""
