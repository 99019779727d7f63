"""The networks that embed, one idea of what to learn by a file."""
