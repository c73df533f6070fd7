"""A module for each kind of rule: what it checks, what it asks of slates, and how it is explained.

The constraints of a kind and their table are in its module; `sponsored` asks for those of `pin`.
A further kind that is content with the constraints there are needs no other code of composing.

- `bid`: `bid`: sponsors pay for clicks on some arms, which compete with all others for what a look
  is worth
- `boost`: `boost`: scores of matching arms are multiplied; by 0, they are kept off the page
- `cap`: `cap`: at most N matching arms in a slate, all together or for each brand or category
- `complements`: `complements`: next to an item, what goes with it scores N times as high
- `exposure`: `exposure`: one of the arms is in at least a share of slates, each of them in at most
  another
- `pin`: `pin`: an item stands in a slot in every slate, or in the slot or one above it
- `placement`: `place`: arms may stand in some slots alone; where these are reserved, they take no
  others
- `shelves`: `not-above`, `not-below`, `most-of-kind`, `least-exposure`: where shelves stand, and how
  often; items in slots are not concerned
- `spacing`: `spacing`: arms of one brand or category, or that are alike, are N or more positions
  apart
- `sponsored`: `sponsored`: a slot goes to the best of some arms in as many slates as its
  impressions of the day allow
"""
