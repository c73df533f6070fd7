"""Items by what they say and how they look.

- `likeness`: items that a visitor would take for the same: by family, or by pictures that are nearly
  the same
- `questions`: questions to items: which are nearest by meaning or look, and of these, what a segment
  clicks
"""
