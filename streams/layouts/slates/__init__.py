"""From what is known of a page and segment to slates.

- `composition`: the slates of a policy, on a page with shelves also which stands where
- `statistics`: what is known of a page's candidates for a segment
"""
