"""Commands that go on until they are stopped.

- `console`: `reshelf console`: pages for a browser
- `demo`: `reshelf demo`: a shop whose pages re-arrange themselves while you watch
- `drill`: `reshelf drill`: break everything while events flow, then check that nothing was lost
- `edge`: `reshelf edge`: layouts and events over HTTP
- `encoder`: `reshelf encoder`: catalog texts to vectors
- `mcp`: `reshelf mcp`: the console's operations for programs that speak the Model Context Protocol
- `worker`: `reshelf worker`: the stream workers
"""
