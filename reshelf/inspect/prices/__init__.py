"""What rules cost or earn, before they are published and since.

- `priced`: what other rules cost or earn in a segment, all together and each by itself: a pure function
- `preview`: a page's rules of a file against those in force, over its segments, from live topics and state
- `so_far`: what each rule in force has cost or earned so far
- `so_far_words`: what rules have cost or earned so far, for people and scripts
- `words`: a preview for people and scripts
"""
