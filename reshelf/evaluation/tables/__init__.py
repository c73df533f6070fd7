"""The decision log in an engine that keeps it on disk, so that memory does not grow with the log.

- `decisions`: decisions on disk: the joined page views, page by page, in the order of their layouts
- `engine`: DuckDB in a folder of its own: tables, joins and sorts that do not fit its limit of
  memory go to disk
- `events`: events and layouts of the log as tables: what is accepted goes to disk as it is read
- `past`: the events of one page and segment in the order of the log, read from disk a stretch at
  a time
- `shelves`: what the joined page views of a page say of its shelves: counts by parts of the units, as
  the fit takes them
"""
