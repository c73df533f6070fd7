"""From beliefs to slates: candidates, scores, draws, and which arm goes into which slot.

- `alike`: items that take clicks from those like them: of several of one category on a page, each
  further one is worth less
- `arrangement`: from scores to slates: which arm goes into which slot
- `candidates`: which catalog items may be placed on a page
- `compiled`: the compiled part, where there was a C compiler when this was installed
- `composition`: a page's slates, baseline and propensities from its statistics
- `entropy`: how evenly a layout spreads its choices
- `fill`: slates under rules: which arm goes into which slot of each variant
- `fixing`: arms fixed in slots before the others are chosen, by pins, soft pins and for exposure to hold
- `greedy`: filling slots one after another with the best arm that the rules allow there
- `renewal`: when slates are worth making again, and worth showing: by how much was learned, and how
  much others would gain
- `sampling`: draws from Beta posteriors with common random numbers
- `scoring`: how arms are scored, by the name of the policy
"""
