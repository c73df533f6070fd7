"""Learned segments: which of them a visitor is in, from the items that they looked at last.

- `affinity`: how far what a segment's visitors look at anywhere foretells what they click on a page
- `attributes`: one attribute of visits, such as the device, that says something of a visitor's taste before their
  items do
- `fitting`: from the visitors of a sample to a model of segments: started from the last one, so that hardly anybody
  moves
- `gain`: what tastes foretell: how much likelier they make an item that a visitor looked at, from the others
- `mixture`: a mixture of tastes: each visitor has one of G, and each taste its own frequencies of items
- `points`: from logarithms of likelihoods to whole numbers, and to items that few or none have looked at yet
- `rule`: the segment of a visitor in whole numbers, the same in every language, and the epoch number that carries it
- `votes`: what the visitors of a sample looked at: one vote of a visitor for each of their last items
- `words`: what a segment is called by people: words and items that its visitors look at more than all others do
"""
