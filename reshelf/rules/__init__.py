"""Merchandisers' rules: from a file to the topic, with a history of who changed what, when and why.

- `bounds`: how large and how deep a YAML text may be: told before anything is built of it
- `calendar`: campaigns: the rules of all pages that begin or end at a date, in the order of time
- `drafts`: drafts by name on a topic of their own: saved, deleted, and published by whoever approves
  them
- `edits`: edits of a page's file, one after the other: what a merchandiser does on the page, as the
  text that is published
- `file`: a file of pages and their rules: YAML (or JSON), one page or a list of pages, checked
  with line and reason
- `lint`: what a page asks for that the catalog does not have: perhaps not yet, perhaps mistyped
- `marks`: what rules make of one item in one slot, as people are told beside it
- `segments`: whether a page may have learned segments as it says: by the settings, and by how many
- `timeline`: what became of one item on one page: when its slots changed, which rules named it
- `topic`: rules on their topics: the newest of each page, all versions of one, and publishing
  another
"""
