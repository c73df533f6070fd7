"""The contract between shops and Reshelf: messages, topics, their encoding.

Everything that crosses Kafka is declared here once.  Each message is a msgspec
struct whose annotations carry its limits, so decoding *is* the check: what fits
the type fits the limits, and what does not is refused with what was expected,
what came and where (`schemas.codec`).  `schemas.topics` lists every topic with
its key, message type and retention; JSON Schema and AsyncAPI are written from
both and never by hand.

This package depends on msgspec and orjson alone, so that a web tier can import
it without the rest of Reshelf.

- `codec`: bytes to checked messages and back
- `compatibility`: finds changes of the contract that break who wrote or who reads under the old one
- `dead_letters`: records that did not fit, dead-lettered whole
- `documents`: the contract written down for people and tools that have no Python
- `errors`: one error tree, split by what the operator has to do
- `export`: JSON Schema for every message, one AsyncAPI document, and types for TypeScript, written
  from the types
- `foreign_content`: what content is that was expected to be JSON in UTF-8, and what to do about it
- `messages`: every message as a typed struct; the annotations are the limits
- `rules`: what merchandisers ask of a page's slates: one type for each kind of rule, distinguished by
  `kind`
- `similar_names`: names that people would take for one: they differ by Unicode form, case or blanks
- `times`: moments: milliseconds since 1970 in messages, dates where people write them
- `topic`: what a topic is: who reads and writes it, how long it is kept, and how its records are judged
- `topics`: the topic table: one row per topic, everything that an operator needs to create it and
  to give rights on it
"""
