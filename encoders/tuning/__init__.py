"""A text or picture encoder tuned on a shop's own clicks.

- `adapters`: low-rank adapters of the attention's queries and values, and their weights merged into
  the model's
- `pictures`: pictures as what is learned from
- `rewriting`: the same text in other words, by a model that rewrites or by two that translate there
  and back
- `texts`: texts as what is learned from
- `training`: pairs of items that belong together, and a contrastive loss
"""
