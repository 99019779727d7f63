"""From a trained network to files that run without torch, and the proof that they answer alike."""
