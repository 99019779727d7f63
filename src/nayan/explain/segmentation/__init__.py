"""Looks at segmenters: the way down and up, what the skips carry, what a loss pushes, the cam of a mask."""
