"""How fast item texts become vectors.

- `encode`: texts a second of the encoder and of sentence-transformers: same texts, model, device
  and run
- `updates`: a stream of item updates of which few change a text, through the encoder worker: what
  is encoded, and how fast
"""
