"""Layouts and events over HTTP, for web tiers that do not speak Kafka.

- `answers`: answers that several paths give
- `app`: the HTTP application: what each path answers
- `feed`: a thread that keeps a shelf as the `layouts` topic is
- `intake`: a batch of events as it came over HTTP to records, each checked by itself
- `layout_cache`: the newest layouts in memory, and what a visitor is shown of them
- `limits`: how much one client may send: a bucket of tokens for each address
- `local_access`: without a token only programs of this machine are answered
- `openapi`: the OpenAPI document of the edge, from the same types that check events
- `run`: serve until stopped
- `sender`: records to Kafka, acknowledged, from an event loop
- `slates`: GET /layouts/PAGE/SEGMENT and GET /layouts/PAGE?items=…, straight from what the server hands over
- `visitors`: what a request says of a visitor: unit, items that they looked at, current segment
"""
