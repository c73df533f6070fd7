"""Pictures of catalog items to vectors: found, decoded, and turned into vectors as many at once as the device takes.

- `address`: where a picture may be fetched from: hosts that are allowed, at public addresses
- `cache`: pictures that were fetched, by what is in them, on disk and bounded
- `decode`: the bytes of a picture to pixels of the size that a model reads
- `efficientnet`: EfficientNet-Lite0, whose weights are inside a package
- `encoder`: pictures to vectors, decoded while the device works
- `fetch`: one picture over HTTP, within limits of time, size, type and redirects
- `lane`: which items' pictures are due, fetched in the background of the encoder worker
- `model`: a picture encoder from a folder or by name, used as its own files say
- `parts`: the vectors that items have, as they are published: of text and picture
- `refusal`: why a picture cannot be had
- `source`: the picture at a URL or path, from the cache where it is fresh enough
"""
