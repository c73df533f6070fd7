"""Log in, state, log out: the stream workers and everything that keeps the state law.

An event's way: `transport` hands batches of one partition to an agent;
`learner` judges and folds each batch (`fold`), applies it to Redis with its log
position in one script per state group (`state`), and asks for fresh layouts;
`layouts` composes and publishes them; `attribution` credits purchases to clicks.

The law: what is in Redis is a pure function of the contents of the event topics
over a range of offsets, whatever crashed, was repeated or was cut how.

- `access`: who may reach a server of ours: this machine alone, or who knows its token
- `attribution`: attribution: which click a purchase line is credited to, decided once and published
- `cancellation`: ending tasks for certain
- `catalog`: what compacted topics say of items, vectors, pages and parameters, kept up to date
- `dead_letters`: dead letters: one for each invalid record, whatever becomes of the state
- `disk_use`: how full the disks are that workers write to
- `dropped`: what workers keep on disk of namespaces that were dropped goes, too
- `fitter`: the fitter: what visitors look at and are interested in, page by page, published to
  `policy-parameters`
- `fold`: the fold: records of one partition to deltas of the state, as a pure function
- `kafka`: clients, records and readers of Kafka outside of Faust
- `layouts`: layouts: from the state, the catalog and the merchandisers' pages to the topics
  `layouts` and `layouts-history`
- `learner`: the learner: event batches into the state, each exactly once
- `locked_folder`: folders on a local disk, one for each partition, and who uses which
- `metrics`: what each process counts and times of itself: one table, a registry of values, and
  Prometheus's text form
- `obstacles`: why a worker that lives and is connected does not do its work: what `/ready` gives as
  reasons
- `page_settings`: settings of what decides pages: layouts, the fitter, experiments
- `refusals`: why a worker refuses to go on from the state with the log that there is
- `replay`: replay: the state of a stretch of log, built anew beside the live one
- `retry`: waiting for a broker or Redis that is away: say so now and then, back off, go on
- `settings`: settings of the stream workers and of what they share with other programs, in typed
  groups
- `sorted_rows`: any number of rows in order, in little memory: sorted in runs that lie on disk, and
  merged as they are read
- `state`: the state in Redis: where it is, how it is written, read, checked and exported
- `transport`: the log in: Faust agents that get batches of one partition, and say when they are
  applied
- `worker`: what every stream worker opens, and the Faust application that it becomes
"""
