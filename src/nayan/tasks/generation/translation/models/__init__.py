"""The networks of the family, one paper a file."""
