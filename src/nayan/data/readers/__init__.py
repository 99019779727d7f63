"""One module a format, each reading and writing it."""
