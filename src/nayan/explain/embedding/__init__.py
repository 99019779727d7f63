"""Looks at embedders: why two pictures are near one another."""
