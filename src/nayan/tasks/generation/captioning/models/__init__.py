"""The networks that write captions, one a file."""
