"""How fast item texts and pictures become vectors.

- `drawing`: pictures of made-up goods, whose shape, colour and pattern can be chosen
- `encode`: texts a second of the encoder and of sentence-transformers: same texts, model, device
  and run
- `images`: pictures a second of the encoder and of a plain loop: same pictures, model, device and run
- `updates`: a stream of item updates of which few change a text, through the encoder worker: what
  is encoded, and how fast
"""
