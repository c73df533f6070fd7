"""Every message as a typed struct; the annotations are the limits.

- `fields`: the kinds of values that messages share
- `events`: impressions, clicks, purchases, conversions
- `catalog`: items and the vectors of their texts
- `pages`: pages as merchandisers declare them
- `drafts`: drafts of pages' rules, which are not published yet
- `parameters`: what was fitted for a page
- `layouts`: layouts, and requests for them
- `segments`: segments that were learned from what visitors looked at: how a visitor's segment follows from their
  items

Compatibility: fields are only ever added, always with a default, and a field
never changes its meaning.  Readers ignore fields that they do not know.

Events hold lists but opt out of garbage collection all the same: decoded values
cannot form cycles, and the collector has less to walk while a batch is held.
"""
