"""From folders and files to data sets: readers, splits, checks, conversions. Torch-free."""
