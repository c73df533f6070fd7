"""How Redis is reached: clients, pipelining, and what its errors mean.

- `client`: clients of Redis, all configured here: timeouts, retries, security
- `errors`: what the errors of Redis mean for a worker: away, refused, or a fault of ours
- `pipelined`: commands of many callers in one round trip
"""
