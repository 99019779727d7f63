"""The networks that classify, one architecture a file."""
