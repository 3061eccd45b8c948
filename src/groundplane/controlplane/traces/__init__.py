"""Spans in the database, for a day: written in batches behind, read by their trace. Nothing depends on them."""

from groundplane.controlplane.traces.spans import KEPT_HOURS, StoredSpan, keep_partitions, spans_of_trace
from groundplane.controlplane.traces.writer import SpanWriter, keep_partitions_for_ever

__all__ = ["KEPT_HOURS", "SpanWriter", "StoredSpan", "keep_partitions", "keep_partitions_for_ever", "spans_of_trace"]
