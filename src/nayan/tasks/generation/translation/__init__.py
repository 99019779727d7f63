"""The family that turns pictures of one set into pictures of another, learnt without pairs."""
