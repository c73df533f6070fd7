"""Merchandisers' rules: checked, bound to the arms of a page, and compiled for composing."""
