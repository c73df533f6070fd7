"""Layouts: from the state, the catalog and the merchandisers' pages to the topics `layouts` and `layouts-history`.

`schedule` says which key is composed next, `catalog` holds what the compacted
topics say, `compose` turns the state of one key into slates (a pure function),
`versions` gives each publication a number that never goes back, `producer` ties
them together and `app` runs it as a Faust application.
"""
