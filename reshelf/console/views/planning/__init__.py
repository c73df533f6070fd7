"""What is planned and what came of it, as JSON.

- `rule_earnings`: what the rules of pages have cost or earned so far, worked out beside the answers
  that show it
- `saved_drafts`: drafts that are kept by name: listed, saved, deleted, and approved by somebody else
- `timeline`: one item on one page over time, and as it is now; and the calendar of campaigns
"""
