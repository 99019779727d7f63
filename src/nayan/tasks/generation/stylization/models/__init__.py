"""The networks that restyle pictures: one file each."""
