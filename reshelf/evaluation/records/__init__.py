"""Records of runs of replays, evaluations and tunings: kept as files, and for MLflow.

- `mlflow_files`: runs in MLflow's file format, for those who look at theirs there; needs its
  library (`mlflow` or `mlflow-skinny`)
- `run`: one run: what was asked, of which log, and what came of it
- `store`: records of runs: what was asked of which log, with which code, and what came of it
"""
