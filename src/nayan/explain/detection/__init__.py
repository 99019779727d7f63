"""Looks at detectors: where they search, who learns what, and how many answers become one."""
