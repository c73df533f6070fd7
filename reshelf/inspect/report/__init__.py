"""One page of HTML that says how experiments, posteriors and policies stand; it needs nothing else to open.

- `charts`: charts as SVG text: pure functions, no script, colours from the page's style
- `gather`: what a report shows, read from the state and the topics
- `page`: the report as HTML: a pure function of what was gathered
"""
