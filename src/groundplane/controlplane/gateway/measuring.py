"""What a request that was answered leaves in its span and in the histogram: never its path, whose ids are without number."""

from starlette.types import Scope

from groundplane.kernel.metrics import observe_request
from groundplane.kernel.telemetry import current_span


def measure_request(scope: Scope, status: int, seconds: float) -> None:
    """Name the request's span after the route's template, and count the request."""
    path = getattr(scope.get("route"), "path", None)
    route = f"{scope.get('root_path', '')}{path}" if path else None
    observe_request(route, scope["method"], status, seconds)
    span = current_span()
    if span is not None:
        span.describe(f"{scope['method']} {route or '?'}", {"http.response.status_code": status, "http.route": route or ""})
        if status >= 500:
            span.error = scope["state"].get("problem") or str(status)
