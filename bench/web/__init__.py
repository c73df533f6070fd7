"""How fast the edge, the console and a renderer answer.

- `browser`: debian's Chromium, driven by Playwright
- `console`: what the console's page Items takes of a processor while events flow: in the browser,
  and in the console
- `edge`: layouts a second over HTTP: the edge compared with a bare route of Starlette, by turns on the
  same core
- `pace`: requests over HTTP at a steady rate, each timed from when it was due
- `renderer`: what a layout costs a page renderer: microseconds for each call of the reference one
- `segments`: what learned segments cost: a fit to many visitors, the model, and a renderer's choice
"""
