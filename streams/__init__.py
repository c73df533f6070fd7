"""Log in, state, log out: the stream workers and everything that keeps the state law.

An event's way: `transport` hands batches of one partition to an agent;
`learner` judges and folds each batch (`fold`), applies it to Redis with its log
position in one script per state group (`state`), and asks for fresh layouts;
`layouts` composes and publishes them; `attribution` credits purchases to clicks.

The law: what is in Redis is a pure function of the contents of the event topics
over a range of offsets, whatever crashed, was repeated or was cut how.
"""
