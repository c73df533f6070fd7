"""The front door: command line, settings, embedded servers, the demonstration shop.

Everything that a person starts is here; what it does is in `streams` and `policy`.

- `__main__`: `python -m reshelf` is `reshelf`: child processes are started so
- `cli`: the command line
- `console`: the console: what Reshelf does, on pages in a browser
- `datasets`: imports of logged data sets
- `demo`: the demonstration shop: a web tier and a page renderer that know only the topics
- `dialects`: events as other trackers export them, as events of the contract
- `doctor`: what is wrong with an installation, and what to do about it
- `drill`: the fault drill: everything that can break is broken while events flow, and then the
  books are checked
- `edge`: layouts and events over HTTP, for web tiers that do not speak Kafka
- `evaluation`: the decision log: what was shown, how likely it was, and what came of it; for
  evaluation and for other tools
- `feeds`: catalog feeds that shops have already, as lines of the topic catalog-items
- `inspect`: what commands and console both show: explanations, posteriors, lag, layouts, search
  and reports
- `mcp_server`: the operations of the console for programs that speak the Model Context Protocol, with
  the console's roles
- `namespaces`: namespaces of the state side by side: replayed, compared, exported, swapped
- `numbers`: numbers as people read them in the console, the report and the terminal: one look for all
- `people`: who may do what with rules: people, their tokens and their roles
- `processes`: what this package starts: children, embedded servers, and the roles of a worker
- `rules`: Merchandisers' rules: from a file to the topic, with a history of who changed what, when
  and why
- `service_settings`: settings of what runs beside the stream workers: console, edge, encoder,
  records of runs, log lines
- `settings`: all settings: environment over a TOML file over defaults, each value with its origin
- `terminal`: what people see on a terminal: tables, progress, log lines
- `topics`: topics as the table declares them: created, compared, and written to
- `words`: sentences that the server writes for people, in each language from a catalog
"""
