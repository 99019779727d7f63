"""One label for a whole picture."""
