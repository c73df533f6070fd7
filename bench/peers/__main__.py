"""Runs one peer: `python -m bench.peers NAME BATCH`."""

from __future__ import annotations

import importlib
import sys

from bench.peers import PEERS
from reshelf.processes.garbage import collect_rarely
from reshelf.settings import load_settings

collect_rarely()  # as our own commands do: what is compared is how they read and write
name, batch = sys.argv[1], int(sys.argv[2])
settings = load_settings(None).settings
peer = PEERS[name]
getattr(importlib.import_module(peer.module), peer.function)(settings.kafka, settings.redis, settings.fold, batch)
