"""The contract written down for people and tools that have no Python.

- `asyncapi`: the AsyncAPI 3.0 document: who sends what to which topic, and how the topics are set
  up
- `typescript`: typeScript declarations of every message, written from its JSON Schema
"""
