"""The model of learned segments: from visitors of a sample to the topics `segments` and `segments-history`.

- `records`: a model as records, its items in parts that brokers take
"""
