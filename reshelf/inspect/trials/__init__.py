"""Policies and rules on trial on a page, for people and scripts.

- `measured`: how each branch of a page does against the page's own slates since its trial began
- `pages`: a page with rules on trial as one visitor would see it, in each branch on trial
- `words`: of a rule on trial: for whom it holds, and what a slot has with it and without it
"""
