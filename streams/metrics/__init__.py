"""What each process counts and times of itself: one table, a registry of values, and Prometheus's text form.

- `layouts`: the metrics of what layout workers compose, publish and vouch for
- `metric`: what a metric is, and the buckets of histograms
- `page`: the page of metrics, written from their table: `make generated`
- `processes`: the metrics that say of a process whether it lives and what it uses
- `registry`: the values of one process; to count costs some microseconds: count by batch, never by
  event
- `segments`: the metrics of learned segments
- `services`: the metrics of what runs beside the stream workers: encoder, console and edge
- `sources`: the metrics that say of those who send events, and of the brokers, what their clocks and
  partitioners do
- `table`: the table of all metrics: what is exposed, by whom, what it means, and what to do about it
- `text`: Prometheus's text format 0.0.4, and what the operating system knows of this process
- `verdict_page`: the page of verdicts: what became of records, lines and signals, and what to do
- `windows`: the metrics that say how far back clicks and duplicates are known
"""

from streams.metrics.metric import Metric
from streams.metrics.registry import REGISTRY, Distribution, Registry, Sample
from streams.metrics.table import METRICS
from streams.metrics.text import CONTENT_TYPE, exposition

__all__ = ["CONTENT_TYPE", "METRICS", "REGISTRY", "Distribution", "Metric", "Registry", "Sample", "exposition"]
