"""What is known of published layouts, and until when they are good.

- `arranged`: shelves that stand still as they were published, until enough came for another decision
- `latest_layout`: what is known of the newest published layout of a page and segment
- `lives`: signs of life: until when the newest layouts are good that name one
- `published`: the newest published layout of each page and segment
- `whole_page`: the newest layouts of whole pages that those of segments take something from
"""
