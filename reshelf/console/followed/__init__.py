"""Topics that the console reads once and then follows, so that no answer waits for them.

- `drafts`: the drafts that are kept by name
- `rules_history`: all versions of all pages' rules
- `topic_tail`: the records of a topic from its beginning, then as they come
"""
