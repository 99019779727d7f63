r"""Portrait mode: a person cut out finely, and another background, or the same one out of focus.

probability of the person -> whole person -> matte -> colours of the person alone -> over the new background
\--> background without the person -> lens blur --/
"""
