"""From a stylist's outputs to pictures, and from those to the rows of JSON and CSV."""

from nayan.tasks.generation.pictures import decode_pictures as decode
from nayan.tasks.generation.pictures import picture_records as to_records

__all__ = ["decode", "to_records"]
