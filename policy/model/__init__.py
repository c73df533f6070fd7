"""What is believed of arms: priors fitted from counts and features, posteriors, what a click is worth.

- `attraction`: how attractive arms are expected to be in a segment, from counts alone
- `chain`: what follows a click, stage by stage: a signal, an order, an order that is kept
- `complements`: which items go together: learned from what is bought in one order
- `directions`: the directions of vectors that weights are fitted in
- `examination`: how likely a slot is looked at: a sensible curve to start from, and the one that
  clicks tell
- `features`: what is known of an item before anybody saw it, as numbers that a prior can be fitted
  on
- `fitting`: from the counts of all segments of a page to its parameters: examination, interest,
  strengths, sales
- `interest`: what a page's visitors, and those of each segment, are interested in: ridge
  regression of clicks on features
- `outliers`: clicks that are hardly people's: which of a page's segments to leave out of what the
  others learn
- `posteriors`: what is known of each arm's attractiveness: Beta posteriors from counts
- `priors`: where an arm's attractiveness starts: from fitted parameters to one Beta prior per arm
- `reward`: what a click is worth: its own value, and the chance of a purchase times what that earns
- `strength`: how far counts stray from what is expected of them: the strength of a prior, fitted
  from the data
- `visits`: how one slot of a page view bears on another: what visitors do below a click, and below
  items that are alike
"""
