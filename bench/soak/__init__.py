"""Days of traffic compressed into less: what each part takes over time, and whether it stays flat.

- `clients`: who asks edge and console meanwhile
- `compression`: settings and topics whose windows are shorter by a factor
- `events`: what visitors do in a shop where visitors, items and pages come and go
- `options`: what was asked for of a run
- `probes`: what is measured: of a process, of folders, of Redis, of the log
- `report`: what is told of a run
- `run`: all parts, their traffic, and a sample now and then
- `servers`: broker and Redis of a run: those of the settings, or its own, whose files and processes
  are looked at as well
- `trend`: whether a figure grows: a slope that outliers and teeth of a saw do not move, with its interval
"""
