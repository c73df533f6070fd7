"""Topics that the console reads once and then follows, so that no answer waits for them.

- `dead_letters`: dead letters: the last ones, to look into, and how many there are by reason
- `drafts`: the drafts that are kept by name
- `rules_history`: all versions of all pages' rules
- `topic_tail`: the records of a topic from its beginning, or the last ones, then as they come
"""
