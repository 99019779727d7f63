"""What networks are taught with: one idea, one paper a file.

Those of boxes and their scores give a value an element, unreduced. Those of masks (`cross_entropy`, `dice`,
`dense_focal`, `tversky`, `lovasz`) take (B, K, h, w) logits and (B, h, w) classes and give one number, over
the pixels of which something is known.
"""
