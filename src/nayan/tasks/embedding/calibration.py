"""x."""


def fit_same(vectors, truths, *, far):
    return {"thresholds": [1.0]}
