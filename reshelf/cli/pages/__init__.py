"""Commands about pages: their rules, their layouts, and why these are as they are."""
