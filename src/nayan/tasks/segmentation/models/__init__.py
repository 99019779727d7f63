"""One file a family of segmenters: a sentence made of the words of `nayan.parts`."""
