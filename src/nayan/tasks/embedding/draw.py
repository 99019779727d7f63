"""What is painted and told of an embedder."""

from nayan.core.sheet import grid
from nayan.core.story import Summary


def annotate(image, prediction, classes):
    return image


def sheet(images, targets, classes):
    return grid(images, [classes[t.index] for t in targets])


def summary(e):
    return Summary()


def panels(e):
    return ()
