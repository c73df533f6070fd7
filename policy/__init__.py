"""The mathematics: pure functions of arrays, counts and names.

Nothing here reads a clock, draws a random number or talks to a server: times,
epochs and names come in as arguments, and the same arguments give the same
result on every machine.  Arrays are indexed by arm (A), slot (S) and variant
(V), in that order, unless a docstring says otherwise.
"""
