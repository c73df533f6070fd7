"""The mathematics: pure functions of arrays, counts and names.

Nothing here reads a clock, draws a random number or talks to a server: times,
epochs and names come in as arguments, and the same arguments give the same
result on every machine.  Arrays are indexed by arm (A), slot (S) and variant
(V), in that order, unless a docstring says otherwise.

- `arrays`: kinds of arrays by what their numbers mean; shapes are given where they are used, as
  float64[A]
- `assignment`: who sees what: holdout, variant and epoch of a unit
- `attribution`: which click a purchase line is credited to
- `confidence_sequence`: intervals that hold at all looks together, for estimates that are shown
  again and again
- `defaults`: values that hold where nobody says otherwise: settings, simulations and measurements
  take them from here
- `evaluation`: the value of a policy: estimated from logs of another one
- `experiments`: controlled experiments on the stream: intervals and tests that may be looked at at
  any time
- `hashes`: hashes of names: the same on every machine and in every language
- `items`: what layouts, rules and fits ask of an item: all of a catalog's record but its texts
- `model`: what is believed of arms: priors fitted from counts and features, posteriors, what a
  click is worth
- `pages`: pages of shelves: which shelf stands in which row, and what is on it
- `prices`: what other slates would earn: how much more or less than those of now, and how sure that is
- `rules`: Merchandisers' rules: checked, and compiled for the arms of a page
- `segments`: learned segments: which of them a visitor is in, from the items that they looked at last
- `simulation`: shops whose truth is known, and races of learners in them: how much is lost until
  it is learned what sells
- `slates`: from beliefs to slates: candidates, scores, draws, and which arm goes into which slot
- `vectors`: examples of assignment with their results; `python -m policy.vectors >
  policy/vectors.json` writes them
"""
