r"""Searching among pictures: a folder of them becomes an index, and a picture a question to it.

pictures ── embedders: which model, by its fingerprint ── filling: new and changed ones, appended for good ──┐
names: what a picture is called, wherever it is looked at from                                               │
                                     hits <── asking: like these, unlike those, each product once <── index ─┘
homes: an index with its model
sheet: what was asked and found, to look at

Beside what `nayan.runtime.index` keeps, the folder of an index holds `model/`, the bundle that its vectors
are from without what only training needs, and `pictures.json`, where the pictures are. So it is asked without
torch, on any machine.
"""
