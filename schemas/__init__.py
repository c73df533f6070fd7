"""The contract between shops and Reshelf: messages, topics, their encoding.

Everything that crosses Kafka is declared here once.  Each message is a msgspec
struct whose annotations carry its limits, so decoding *is* the check: what fits
the type fits the limits, and what does not is refused with what was expected,
what came and where (`schemas.codec`).  `schemas.topics` lists every topic with
its key, message type and retention; JSON Schema and AsyncAPI are written from
both and never by hand.

This package depends on msgspec and orjson alone, so that a web tier can import
it without the rest of Reshelf.
"""
