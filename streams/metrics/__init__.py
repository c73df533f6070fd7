"""What each process counts and times of itself: one table, a registry of values, and Prometheus's text form."""

from streams.metrics.registry import REGISTRY, Distribution, Registry, Sample
from streams.metrics.table import METRICS, Metric
from streams.metrics.text import CONTENT_TYPE, exposition

__all__ = ["CONTENT_TYPE", "METRICS", "REGISTRY", "Distribution", "Metric", "Registry", "Sample", "exposition"]
