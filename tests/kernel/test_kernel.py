"""What every part stands on: ids, errors, secrets, settings, trace context, logs."""

import json
from pathlib import Path
from uuid import UUID

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from groundplane.kernel.errors import ConflictError, FieldProblem
from groundplane.kernel.ids import format_id, new_id, parse_id
from groundplane.kernel.logs import configure_logging
from groundplane.kernel.settings import Settings
from groundplane.kernel.telemetry import child_traceparent, current_trace, trace_id, trace_scope

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@given(st.uuids())
def test_an_id_survives_its_public_text(value: UUID) -> None:
    text = format_id("vm", value)
    assert parse_id("vm", text) == value
    assert parse_id("vol", text) is None
    assert len(text) == len("vm_") + 26


@given(st.text(max_size=40))
def test_no_text_breaks_the_parser(text: str) -> None:
    value = parse_id("vm", text)
    assert value is None or format_id("vm", value) == text


def test_ids_sort_by_age_in_both_forms() -> None:
    ids = [new_id() for _ in range(3)]
    assert all(value.version == 7 and value.variant == "specified in RFC 4122" for value in ids)
    early, late = UUID("018f0000-0000-7000-8000-000000000000"), UUID("018f0000-0001-7000-8000-000000000000")
    assert format_id("vm", early) < format_id("vm", late)


class FullError(ConflictError):
    """It is full. Ask for less."""

    code = "full"


def test_a_problem_says_what_its_class_says() -> None:
    problem = FullError(errors=[FieldProblem(pointer="/size", detail="too much")]).problem(instance="/here", request_id="r1")
    assert (problem.status, problem.code, problem.detail) == (409, "full", "It is full. Ask for less.")
    assert problem.type.endswith("/full")
    assert problem.errors[0].pointer == "/size"


def test_settings_come_from_the_environment_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "groundplane.toml").write_text('api_port = 9001\nlog_level = "warning"\n')
    monkeypatch.setenv("GROUNDPLANE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("GROUNDPLANE_API_PORT", "9002")
    settings = Settings()
    assert (settings.api_port, settings.log_level, settings.data_dir) == (9002, "warning", tmp_path)


@pytest.mark.parametrize(("name", "value"), [("API_PORT", "70000"), ("LOG_LEVEL", "loud"), ("DATA_PLANE", "cloud")])
def test_settings_that_make_no_sense_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GROUNDPLANE_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_settings_never_print_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUNDPLANE_DATABASE_URL", "postgresql://groundplane:hunter2@db/groundplane")
    assert "hunter2" not in repr(Settings())


def test_a_trace_goes_on_from_its_parent() -> None:
    assert trace_id(child_traceparent(PARENT)) == "0af7651916cd43dd8448eb211c80319c"
    assert child_traceparent(PARENT) != PARENT
    assert len(trace_id(child_traceparent("not a traceparent"))) == 32
    with trace_scope(PARENT) as outer:
        with trace_scope(outer) as inner:
            assert current_trace() == inner
            assert trace_id(inner) == trace_id(PARENT)
        assert current_trace() == outer
    assert current_trace() == ""


def _fail(token: str) -> None:
    raise ValueError(f"of length {len(token)}")


def test_logs_are_json_with_the_trace_and_without_secrets(capfd: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        configure_logging("test")
        log = structlog.get_logger()
        with trace_scope(PARENT):
            log.info("it.happened", password="hunter2", size=3)
        try:
            _fail("hunter3")
        except ValueError:
            log.exception("it.broke")
    finally:
        structlog.configure(**before)
        structlog.contextvars.clear_contextvars()
    text = capfd.readouterr().err
    first, second = (json.loads(line) for line in text.splitlines())
    assert (first["event"], first["service"], first["size"]) == ("it.happened", "test", 3)
    assert first["trace"] == "0af7651916cd43dd8448eb211c80319c"
    assert second["exception"][0]["exc_type"] == "ValueError"
    assert "hunter" not in text
