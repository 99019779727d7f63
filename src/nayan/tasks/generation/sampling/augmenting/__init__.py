"""Drawn pictures for small sets: which are worth learning from, and whether they helped."""
