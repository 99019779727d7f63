"""The family that draws pictures from noise, or from noise and a class."""
