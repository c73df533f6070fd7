"""Merchandisers' rules: checked, and compiled for the arms of a page.

- `order`: the order in which rules give way
- `kinds`: a module for each kind of rule, and `registry`, which finds it by the declared type
- `kind`, `constraint`: what such a module provides
- `likeness`: which arms a visitor would take for the same
- `matching`: what rules ask the catalog about the arms of a page
- `checks`: problems of a page's rules
- `compiled`: all rules of a page as arrays
"""
