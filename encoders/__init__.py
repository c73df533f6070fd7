"""Catalog texts and pictures to vectors: what changed is encoded once and published on catalog-embeddings.

- `attention`: attention of transformers' models on a CPU, whose keys are filled up to whole
  registers
- `batches`: which texts go through the model together
- `changes`: what has to be encoded: the difference between the catalog and the vectors that are
  published
- `encoder`: texts to vectors, as many at once as the device takes
- `int8`: the linear layers of a network in whole numbers of 8 bits, for a CPU (dynamic
  quantisation)
- `log`: the two topics of the encoder worker, read to their ends and written to
- `model`: a Hugging Face text encoder from a folder or by name, used as its own files say
- `pictures`: pictures of items to vectors
- `text`: what of an item is encoded, as one text, and the hash that says whether it changed
- `text_side`: the text side of a model of texts and pictures, used as a text encoder
- `tuning`: a text encoder tuned on a shop's own clicks: low-rank adapters and a contrastive loss
- `wire`: a vector as it is published: whole numbers of 8 bits, and the value of one of them
- `worker`: the encoder worker: reads the catalog, encodes what changed, publishes vectors
"""
