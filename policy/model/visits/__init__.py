"""How one slot of a page view bears on another: what visitors do below a click, and below items that are alike.

Counts by item and slot cannot say; it takes page views as wholes, of which a sample is enough.

- `cells`: the slots of sampled page views, those that are alike counted together
- `choice`: which effects layouts go by: those that foretell clicks beyond chance, and they do not come
  and go
- `fitting`: by which factor clicks fall below a click, and below an item of the same category
- `lowering`: how many impressions are left once those are lowered that stood below clicks, or below
  items like them
"""
