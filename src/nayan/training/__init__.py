"""The one training loop, and what feeds, steers and saves it."""
