"""The slice of the task embedding: pictures as vectors; compare, verify and search them."""
