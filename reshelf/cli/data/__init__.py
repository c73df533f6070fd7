"""Commands that put data into topics or take it out.

- `finetune`: `reshelf finetune`: a text model that knows what a shop's visitors click together
- `forget`: `reshelf forget`: delete the clicks that are kept for a unit
- `import_`: `reshelf import`: logged data sets, published to topics
- `import_events`: `reshelf import events`: exports of other trackers as events
- `log`: `reshelf log`: the decision log for other tools
- `publish`: `reshelf publish`: JSON lines, checked whole, then sent
"""
