"""Sentences that the server writes for people, in each language from a catalog.

- `catalog`: the catalogs, `en.json` and `zh.json`, and which language a browser asks for
- `said`: a sentence that is English as text, and can be had in each language
- `read`: sentences of messages, which are English wherever they were written
"""
