"""The vocabulary of the house: values, errors, pictures, catalogues, options, events. Torch-free."""
