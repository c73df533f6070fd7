"""The fault drill: everything that can break is broken while events flow, and then the books are checked.

- `comparison`: what is compared once all is applied
- `faults`: how things break, and how they heal
- `fuzz`: records that mean harm, through decoding, rules, fold and attribution: each has to be
  accounted for
- `plan`: what breaks when: a pure function of a seed
- `recreate`: a topic that was deleted and made again must be noticed and refused
- `report`: what a drill is asked to do, and what it found
- `run`: one drill from the first event to the last line of the report
- `samples`: what the workers use while a drill runs: memory, open files, and how late events are
  applied
- `setup`: what a drill runs against: broker, stores and workers of its own
- `slow`: slow neighbours: a Redis that answers late, and a broker that hands out little
- `traffic`: events with known ids at a set rate: what a shop sends, and what it should not
- `verify`: the books after a drill: what Redis and the topics hold against what the log alone says
  they must
- `watch`: how long it takes until what was published after a fault is in the state
"""
