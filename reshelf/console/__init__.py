"""The console: what Reshelf does, on pages in a browser.

It reads topics and Redis and keeps nothing of its own; the only thing it writes are
rules.  `view` holds what is followed, one module makes the content of each page,
`guard` decides who may ask, `web` answers.  The pages themselves are plain modules
in `static/`, served as they are: no build step, and nothing from elsewhere.
"""
