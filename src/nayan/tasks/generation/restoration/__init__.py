"""Networks that give back what a picture lost: its size, or parts of it."""
