"""The command line.

- `data`: commands that put data into topics or take it out
- `evaluation`: commands that judge: experiments, estimates, tuning, reports and records of runs
- `front`: what every command is given: settings, and how to answer
- `main`: the command `reshelf`: which commands there are, and how each of them ends
- `near_names`: names of commands and options that are like one that was mistyped
- `pages`: commands about pages: their rules, their layouts, and why these are as they are
- `plugins`: commands that other distributions bring: entry points of the group `reshelf.commands`,
  each a click command
- `reference`: the reference of the command line, written from the commands themselves: `make
  generated`
- `run`: commands that go on until they are stopped
- `setup`: commands that set an installation up and check it
- `state`: commands about namespaces of the state
"""
