"""Topics as the table declares them: created, compared, and written to.

- `admin`: topics as the table declares them, and as the brokers have them
- `lines`: lines of JSON as records of a topic, held against each other and against what is so for
  the shop
- `publish`: lines of JSON to records of one topic: all are checked before the first is sent
"""
