"""What followed the clicks on a page's candidates: orders, the signals before them, and what was returned.

- `counts`: orders and returns by candidate, weighted by age, with how far clicks of each bucket have matured
- `stages`: everything that the value of a click is made from: orders, and the stages that were fitted
- `signals`: signals by candidate, of the tables that log them as the page does
- `summary`: the stages of a page and segment: how many go on, how soon, and how many are too young to say
"""
