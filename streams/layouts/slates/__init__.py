"""From what is known of a page and segment to slates.

- `composition`: the slates of a policy, on a page with shelves also which stands where
- `shelf_evidence`: what was counted of a shelf, and whether that tells its title from its items
- `shelf_explanation`: why a shelf stands where it stands
- `statistics`: what is known of a page's candidates for a segment
"""
