r"""Portrait mode: a person cut out finely, and another background, or the same one out of focus.

probability of the person -> matte -> colours of the person alone -> over the new background
\--> background without the person -> lens blur --/
"""
