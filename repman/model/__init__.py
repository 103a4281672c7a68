"""The nouns: immutable values, without I/O, clock or randomness.

May import the standard library's pure parts, `repman.errors` and itself, nothing else.
"""
