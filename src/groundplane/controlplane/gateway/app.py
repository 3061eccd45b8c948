"""The HTTP edge put together: three public applications and the agents' one, strictly apart, in one frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, params
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from groundplane.contracts.enrolment import ENROL_PATH, RENEW_PATH
from groundplane.controlplane.gateway import dryrun, idempotency
from groundplane.controlplane.gateway.auth import Authentication
from groundplane.controlplane.gateway.catalog import of_namespace
from groundplane.controlplane.gateway.docs import add_docs, docs_index
from groundplane.controlplane.gateway.dryrun import DryRunView
from groundplane.controlplane.gateway.health import health_router
from groundplane.controlplane.gateway.identity.invitations import JOIN_PATH
from groundplane.controlplane.gateway.limits import AddressLimits, PrincipalLimits, RateLimits
from groundplane.controlplane.gateway.login_api import OPEN_PATHS, on_too_many_attempts
from groundplane.controlplane.gateway.middleware import Frame
from groundplane.controlplane.gateway.permissions import permissions_of
from groundplane.controlplane.gateway.problems import MEDIA_TYPE, add_problem_handlers
from groundplane.controlplane.gateway.services import Services
from groundplane.controlplane.gateway.strictness import strict_request
from groundplane.controlplane.gateway.webconsole import CONSOLE_PATH, web_console
from groundplane.controlplane.identity import Audience, TooManyAttemptsError
from groundplane.kernel.errors import Problem
from groundplane.kernel.settings import Settings

TENANT_PATH = "/api/tenant/v1"
OPS_PATH = "/api/ops/v1"
COMMON_PATH = "/api/common/v1"
AGENT_PATH = "/api/agent/v1"
LOGINS = (f"{COMMON_PATH}/auth/", f"{COMMON_PATH}/invitations/join", AGENT_PATH + ENROL_PATH, AGENT_PATH + RENEW_PATH)
"""Where secrets are taken from whoever comes: limited strictly."""
_REFERENCE = "#/components/schemas/{model}"


_TELEMETRY = {"tracing": False, "metrics": False, "logs": False}
"""Ours is made in `Frame`: FastAPI's own asks with each request whether somebody has set it up."""
_EVERYWHERE: dict[str, Any] = {"docs_url": None, "redoc_url": None, "redirect_slashes": False, "telemetry": _TELEMETRY}


def build_app(
    services: Services,
    *,
    tenant: Sequence[APIRouter],
    ops: Sequence[APIRouter],
    common: Sequence[APIRouter],
    agent: Sequence[APIRouter],
) -> FastAPI:
    """The root application. Each list of routers goes into one application, and only there."""
    root = FastAPI(title="Groundplane", openapi_url=None, **_EVERYWHERE)
    add_problem_handlers(root)
    limits = RateLimits(services.settings)
    root.state.limits = limits
    _frame(root, services.settings, limits)
    root.include_router(health_router(services))
    root.include_router(docs_index({each.title: each.path for each in _PUBLIC.values()}))
    for app in public_apps(services, limits, tenant=tenant, ops=ops, common=common).values():
        root.mount(app.servers[0]["url"], app)
    root.mount(AGENT_PATH, _agents_app(agent, services))
    root.include_router(web_console())
    return root


def public_apps(services: Services, limits: RateLimits, **routers: Sequence[APIRouter]) -> dict[str, FastAPI]:
    """The three public applications by their namespaces, `routers` being those of each."""
    permissions = permissions_of(services, [router for each in routers.values() for router in each])
    apps = {}
    for namespace, api in _PUBLIC.items():
        apps[namespace] = app = _public_app(api, routers[namespace], services, limits)
        app.state.permissions = permissions
        app.state.kinds = of_namespace(services.kinds.values(), namespace, permissions)
    return apps


def _frame(root: FastAPI, settings: Settings, limits: RateLimits) -> None:
    """What is around all applications, the innermost first."""
    root.add_middleware(AddressLimits, limits=limits, logins=LOGINS, console_path=CONSOLE_PATH)
    if settings.cors_origins:
        root.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Traceparent"],
            expose_headers=[
                "ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id", "Idempotent-Replayed",
            ],
        )  # fmt: skip
    root.add_middleware(Frame, trusted_proxies=settings.trusted_proxies, tls=settings.tls)


@dataclass(frozen=True)
class PublicApi:
    """One of the public applications."""

    title: str
    path: str
    description: str
    open_paths: tuple[str, ...] = ("/docs", "/openapi.json")


TENANT = PublicApi("Groundplane tenant API", TENANT_PATH, "For the teams that use the cloud.")
OPS = PublicApi("Groundplane operations API", OPS_PATH, "For the operators of the cloud.")
COMMON = PublicApi(
    "Groundplane common API",
    COMMON_PATH,
    "For everybody: login, users, roles.",
    ("/docs", "/openapi.json", *OPEN_PATHS, JOIN_PATH),
)
_PUBLIC = {"tenant": TENANT, "ops": OPS, "common": COMMON}


def _public_app(api: PublicApi, routers: Sequence[APIRouter], services: Services, limits: RateLimits) -> FastAPI:
    """One public application, with its own OpenAPI document and reference."""
    app = _Documented(
        title=api.title, description=api.description, version="1", servers=[{"url": api.path}], root_path_in_servers=False,
        openapi_url="/openapi.json", responses=_PROBLEMS, **_EVERYWHERE,
    )  # fmt: skip
    add_docs(app)
    app.add_middleware(PrincipalLimits, limits=limits)
    strict = [Depends(strict_request)]
    return _finish(app, routers, services, audience="api", open_paths=api.open_paths, dependencies=strict)


def _agents_app(routers: Sequence[APIRouter], services: Services) -> FastAPI:
    app = FastAPI(title="Groundplane agents", openapi_url=None, **_EVERYWHERE)
    return _finish(app, routers, services, audience="agent", open_paths=(ENROL_PATH, RENEW_PATH))


def _finish(
    app: FastAPI,
    routers: Sequence[APIRouter],
    services: Services,
    *,
    audience: Audience,
    open_paths: tuple[str, ...],
    dependencies: Sequence[params.Depends] = (),
) -> FastAPI:
    for router in routers:
        app.include_router(router, dependencies=dependencies)
    add_problem_handlers(app)
    app.add_exception_handler(TooManyAttemptsError, on_too_many_attempts)
    app.add_middleware(Authentication, services=services, audience=audience, open_paths=open_paths)
    return app


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}}}
    for status, text in (("4XX", "Refused: see `code` and `detail`."), ("5XX", "Not your fault: see `code` and `detail`."))
}


_OF_MUTATIONS: list[dict[str, Any]] = [
    {
        "name": idempotency.HEADER, "in": "header", "required": False,
        "description": f"Repetitions with the same key are answered as the first was, for {idempotency.KEPT_HOURS} hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    {
        "name": dryrun.PARAMETER, "in": "query", "required": False,
        "description": "Only say what would be done: what is made and changed, the jobs, the effect on quota.",
        "schema": {"type": "boolean", "default": False},
    },
]  # fmt: skip


def _models(model: type[BaseModel]) -> dict[str, Any]:
    """A model's schema and those that it stands on, by name."""
    schema = model.model_json_schema(ref_template=_REFERENCE)
    return {**schema.pop("$defs", {}), model.__name__: schema}


def _with_dry_run(answer: dict[str, Any] | None) -> dict[str, Any]:
    """A mutation's 200: its own answer, if that is one, or what a dry run says."""
    plan = {"$ref": _REFERENCE.format(model="DryRunView")}
    own = answer["content"]["application/json"]["schema"] if answer else None
    schema = {"anyOf": [own, plan]} if own else plan
    description = answer["description"] if answer else "What would be done (dry run)"
    return {"description": description, "content": {"application/json": {"schema": schema}}}


class _Documented(FastAPI):
    """Adds to the OpenAPI document what all routes share: how to authenticate, and what a problem looks like."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(_models(Problem))
            document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
            document["security"] = [{"bearer": []}]
            for item in document["paths"].values():
                for method, each in item.items():
                    if method in {"post", "put", "patch", "delete"} and ("x-permission" in each or each.get("x-mutation")):
                        each.setdefault("parameters", []).extend(_OF_MUTATIONS)
                        each["responses"]["200"] = _with_dry_run(each["responses"].get("200"))
            schemas.update(_models(DryRunView))
            document["x-kinds"] = self.state.kinds
            self.openapi_schema = document
        return self.openapi_schema
