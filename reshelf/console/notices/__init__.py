"""Notices to people who are not looking: by webhook and mail, each once.

The console sends them, as it follows all that they are about already; workers would each know a part, and send it as
often as there are workers.  What was told is marked in Redis, where all consoles see it and it outlives each of them.

- `channels`: where notices go: a webhook, and mail
- `conditions`: what people are told: guard-rails, rules that cannot hold, pins that are sold out, dead
  letters, old layouts
- `marks`: marks of what was done once and is not to be done again while its cause lasts, by any process
- `message`: notices together, as one message for people and for programs
- `rounds`: looks from time to time, and tells each condition once
"""
