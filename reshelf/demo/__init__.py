"""The demonstration shop: a web tier and a page renderer that know only the topics.

`words` writes the catalog, `shop` models visitors, tastes and stock as pure
functions of a random generator and a clock, `renderer` is the renderer, `scores`
keeps the shop's own truth about learned layouts and the holdout, `traffic`
speaks to Kafka, `screen` and `web` show what happens.
"""
