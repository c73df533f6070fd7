"""What people see on a terminal: tables, progress, log lines."""
