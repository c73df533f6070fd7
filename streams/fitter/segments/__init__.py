"""The model of learned segments: from visitors of a sample to `segments`, `segments-history` and `unit-segments`.

- `fitter`: fitting segments to the sample again and again, and publishing what comes of it
- `learning`: what a fitter runs and writes that learns segments
- `published`: the model of segments as its topics have it
- `reader`: what visitors looked at, as the fitter reads it back from the log: views, clicks and purchases
- `records`: a model as records, its items in parts that brokers take
- `sample`: the last items that visitors of a sample looked at; a hash chooses the visitors, and nothing else of them
  is kept, unless their segments are published
- `unit_publisher`: publishing the segments of visitors where they changed
- `unit_segments`: what is to be published of visitors' segments
"""
