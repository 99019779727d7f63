"""One file a model: a sentence made of the words of `nayan.parts`."""
