"""What a drill runs against: broker, stores and workers of its own.

- `clock`: a worker by another time than its machine has
- `environment`: what takes part: a broker, what keeps the state, and workers
- `operator`: who operates the shop: commands of Reshelf, run one at a time
- `probe`: what a worker says of itself under `/metrics`: by which clock it answers, and what it has
  counted
- `renderer`: an edge that follows the layouts from the drill's beginning on, and is asked what it
  shows
- `stores`: where the state is kept during a drill: a server that can be broken, a cluster, or what
  was given
- `workers`: the workers, and the supervisor that starts again what ended
"""
