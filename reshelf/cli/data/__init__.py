"""Commands that put data into topics or take it out."""
