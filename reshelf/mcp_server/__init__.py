"""The operations of the console for programs that speak the Model Context Protocol, with the console's roles.

- `operations`: what can be asked and done, whoever asks and by whatever protocol
- `run`: served on standard input and output, or over HTTP
- `server`: the operations as tools of a server of the package `mcp`
"""
