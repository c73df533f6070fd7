"""What followed the clicks on a page's candidates: orders, the signals before them, and what was returned.

- `counts`: orders and returns by candidate, weighted by age and by how far clicks of each bucket have matured
- `maturity`: how much the counts of a span of buckets count: by their age, and by how many have had
  time for what comes next
- `signals`: signals by candidate, of the tables that log them as the page does
- `stages`: everything that the value of a click is made from: orders, and the stages that were fitted, moved along
  with the tables that changed
- `summary`: the stages of a page and segment: how many go on, how soon, and how many are too young to say
"""
