"""A module for each kind of rule: what it checks, what it asks of slates, and how it is explained.

The constraints of a kind and their table are in its module; `sponsored` asks for those of `pin`.
A further kind that is content with the constraints there are needs no other code of composing.
"""
