"""What rules cost or earn, before they are published.

- `priced`: what other rules cost or earn in a segment, all together and each by itself: a pure function
- `preview`: a page's rules of a file against those in force, over its segments, from live topics and state
- `words`: a preview for people and scripts
"""
