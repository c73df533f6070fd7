"""Measurements of what answers over HTTP, and of who reads layouts.

- `console`: `reshelf bench console`: what the page Items takes of a processor
- `edge`: `reshelf bench edge`: layouts a second over HTTP
- `renderer`: `reshelf bench renderer`: what a page renderer pays for a layout
- `segments`: `reshelf bench segments`: what learned segments cost the fitter and a renderer
"""
