"""What items of the catalog, and events about them, say that cannot be meant so.

- `names`: whether names, prices and times in catalog and events can be meant as they are
- `pictures`: whether the pictures that items name may be had by these settings
- `topics`: what the topics of the catalog say, read once for all that a run of doctor looks at
"""
