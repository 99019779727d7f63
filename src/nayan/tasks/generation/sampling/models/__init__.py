"""One idea of how to draw a file."""
