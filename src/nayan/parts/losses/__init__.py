"""What detectors are taught with: one idea, one paper a function; all give a value an element, unreduced."""
