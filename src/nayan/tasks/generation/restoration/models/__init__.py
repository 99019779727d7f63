"""One file a network that restores."""
