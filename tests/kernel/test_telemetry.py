"""Traces: who decides that one is sampled, what a span says, and what an unsampled one leaves."""

import asyncio
import time
from collections.abc import Iterator

import pytest
from tests.collector import collecting

from groundplane.contracts.faults import permanent
from groundplane.kernel.otlp import OtlpExport
from groundplane.kernel.telemetry import (
    MOST_IN_A_SCOPE,
    Local,
    Span,
    belongs_to,
    child_span,
    child_traceparent,
    configure_tracing,
    current_trace,
    is_sampled,
    record,
    trace_scope,
    within,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED, UNSAMPLED = (f"00-{TRACE}-{CALLER}-{flags}" for flags in ("01", "00"))


@pytest.fixture
def kept() -> Iterator[list[Span]]:
    """What this process keeps; of the traces that begin here, nothing is sampled."""
    spans: list[Span] = []
    configure_tracing("test", ratio=0, sinks=(spans.append,))
    yield spans
    configure_tracing("", ratio=0)


@pytest.mark.parametrize(("caller", "sampled"), [(SAMPLED, True), (UNSAMPLED, False), (SAMPLED[:-2] + "03", True)])
def test_the_callers_decision_is_heeded_and_passed_on(kept: list[Span], caller: str, sampled: bool) -> None:
    with trace_scope(caller, "request"), child_span("inside"):
        assert is_sampled(current_trace()) is sampled
        assert current_trace().split("-")[1] == TRACE
    assert [span.name for span in kept] == (["inside", "request"] if sampled else [])


@pytest.mark.parametrize(("ratio", "sampled"), [(0.0, {False}), (1.0, {True}), (0.5, {True, False})])
def test_a_trace_that_begins_here_is_sampled_by_the_ratio(kept: list[Span], ratio: float, sampled: set[bool]) -> None:
    configure_tracing("test", ratio=ratio)
    assert {is_sampled(child_traceparent()) for _ in range(200)} == sampled


@pytest.mark.parametrize("bad", ["", "rubbish", f"00-{'0' * 32}-{CALLER}-01", f"00-{TRACE}-{'0' * 16}-01", SAMPLED.upper()])
def test_a_traceparent_that_is_not_well_formed_begins_a_new_trace(bad: str) -> None:
    assert not is_sampled(bad)
    assert child_traceparent(bad).split("-")[1] not in {TRACE, "0" * 32}


def test_spans_know_their_parents_their_time_and_whose_they_are(kept: list[Span]) -> None:
    with trace_scope(SAMPLED, "request", {"one": 1}):
        with child_span("transaction") as told:
            belongs_to(None, None)
            told.describe({"rows": 3})
            with child_span("deeper"):
                pass
        with child_span("second"):
            pass
    deeper, transaction, second, request = kept
    assert (request.parent_id, transaction.parent_id, second.parent_id) == (CALLER, request.span_id, request.span_id)
    assert deeper.parent_id == transaction.span_id
    assert request.started_ns <= transaction.started_ns <= deeper.ended_ns <= transaction.ended_ns <= request.ended_ns
    assert (request.attributes, transaction.attributes) == ({"one": 1}, {"rows": 3})
    assert {span.service for span in kept} == {"test"}


def test_an_error_is_told_by_its_code_and_never_by_its_message(kept: list[Span]) -> None:
    with pytest.raises(ValueError, match="hunter2"), trace_scope(SAMPLED, "request"), child_span("inside"):
        raise ValueError("hunter2")
    with pytest.raises(Exception, match="hunter2"), trace_scope(SAMPLED, "task"):
        raise permanent("engine_refused", "hunter2")
    assert [span.error for span in kept] == ["ValueError", "ValueError", "engine_refused"]
    assert "hunter2" not in repr(kept)


def test_what_failed_is_kept_although_its_trace_is_not_sampled(kept: list[Span]) -> None:
    with pytest.raises(ValueError, match="broken"), trace_scope(UNSAMPLED, "request"), child_span("inside"):
        raise ValueError("broken")
    assert [(span.name, span.error, span.sampled) for span in kept] == [("request", "ValueError", False)]


def test_outside_of_a_trace_nothing_is_kept(kept: list[Span]) -> None:
    with child_span("alone"), within(None):
        assert current_trace() == ""
    assert kept == []


def test_who_was_cancelled_did_not_fail(kept: list[Span]) -> None:
    with pytest.raises(asyncio.CancelledError), trace_scope(UNSAMPLED, "request"):
        raise asyncio.CancelledError
    assert kept == []


def test_a_scope_keeps_only_so_many(kept: list[Span]) -> None:
    with trace_scope(SAMPLED, "request"):
        for _ in range(1_000):
            with child_span("again"):
                pass
    assert len(kept) == MOST_IN_A_SCOPE + 1
    assert kept[-1].name == "request"


def test_a_span_ends_once(kept: list[Span]) -> None:
    span = Span(TRACE, "1" * 16, "", "it", True, Local())
    span.end()
    span.end("late")
    assert (len(kept), span.error) == (1, "")


def test_a_collector_that_is_away_costs_its_spans_and_little_time() -> None:
    export = OtlpExport("test", "http://127.0.0.1:9/v1/traces")
    for _ in range(3_000):
        export.take(Span(TRACE, "1" * 16, "", "it", True, Local(), ended_ns=1, service="test"))
    began = time.monotonic()
    export.close()
    assert time.monotonic() - began < 8


def test_spans_reach_a_collector_by_otlp() -> None:
    with collecting() as collector:
        export = OtlpExport("test", collector.endpoint)
        configure_tracing("test", ratio=0, sinks=(export.take,))
        try:
            with trace_scope(SAMPLED, "request"), child_span("inside", {"rows": 3}):
                pass
            with pytest.raises(ValueError, match="broken"), trace_scope(UNSAMPLED, "failed"):
                raise ValueError("broken")
            foreign = Span(TRACE, "2" * 16, "", "an agent's", True, Local(), service="agent")
            record(foreign)
        finally:
            configure_tracing("", ratio=0)
            export.close()
    assert {service for service, _ in collector.of_trace(TRACE)} == {"groundplane-test"}
    inside, request, failed = [span for _, span in collector.of_trace(TRACE)]
    assert [span.name for span in (inside, request, failed)] == ["inside", "request", "failed"]
    assert (inside.parent_span_id, request.parent_span_id.hex()) == (request.span_id, CALLER)
    assert [(each.key, each.value.int_value) for each in inside.attributes] == [("rows", 3)]
    assert 0 < inside.start_time_unix_nano <= inside.end_time_unix_nano
    assert (failed.status.code, failed.status.message) == (2, "ValueError")
