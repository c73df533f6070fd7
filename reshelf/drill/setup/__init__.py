"""What a drill runs against: broker, stores and workers of its own.

- `clock`: a worker by another time than its machine has
- `environment`: what takes part: a broker, what keeps the state, and workers
- `stores`: where the state is kept during a drill: a server that can be broken, a cluster, or what
  was given
- `workers`: the workers, and the supervisor that starts again what ended
"""
