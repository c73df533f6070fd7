"""What people see on a terminal: tables, progress, log lines.

- `csv`: rows as CSV, for spreadsheets
- `logs`: how processes log: a JSON object in a line for machines, words for people
- `progress`: a bar on standard error, for what takes long
- `prose`: lines for a terminal: sentences are broken at blanks where it is narrow, names and numbers never
- `tables`: tables for a terminal: names stand whole, so that they can be copied into the next
  command
- `waiting`: a word to whoever waits: that a command is at work
"""
