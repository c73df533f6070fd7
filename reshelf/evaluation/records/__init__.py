"""Records of runs of replays, evaluations and tunings: kept as files, and for MLflow."""
