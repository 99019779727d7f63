"""Engines that run an exported network: NumPy arrays in, named NumPy arrays out."""
