"""The words that networks are made of: one idea, one paper a file."""
