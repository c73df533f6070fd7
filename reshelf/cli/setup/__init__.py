"""Commands that set an installation up and check it.

- `completion`: `reshelf completion`: the tab key in a shell
- `doctor`: `reshelf doctor`: what is wrong with an installation, and what to do
- `init`: `reshelf init`: a settings file to start from
- `people`: `reshelf people`: who may look, edit, publish and approve
- `schemas`: `reshelf schemas`: the contract as files, and its compatibility
- `settings`: `reshelf settings`: what is in effect, and a file to start from
- `topics`: `reshelf topics`: create what is missing, list what is there
"""
