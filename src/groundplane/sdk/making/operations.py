"""Operations as Python methods: what each takes, sends and answers."""

from collections.abc import Iterator
from dataclasses import dataclass

from groundplane.sdk.making.description import Document, Json, answers, body_of, parameters, referred
from groundplane.sdk.making.naming import SCOPES, Names, argument
from groundplane.sdk.making.shapes import Shapes

STREAM, BINARY, JSON = "text/event-stream", "application/octet-stream", "application/json"
_PAGING = {"limit", "cursor"}
_POLLING = {"wait", "seen"}
_OF_THE_CALL = {"dry_run"}


@dataclass(frozen=True)
class Argument:
    """A parameter of a method. `key` is its name in the request, `where`: path, query, field, body or file."""

    name: str
    key: str
    type: str
    where: str
    required: bool


@dataclass(frozen=True)
class Operation:
    """A method to be.

    scope    the object it is found at: tenant, organization, common or ops; group: the attribute there, empty: itself
    path     below the scope
    form     record, none, text, page, settled, events, growing, bulk or job_wait: what is done with the answer
    answer   the type of what is answered; `page` that of a page of such
    how      the type of the keywords that say how it is sent; empty: none
    again    settled: the collection where the resource is read again
    """

    operation_id: str
    scope: str
    group: str
    name: str
    method: str
    path: str
    arguments: tuple[Argument, ...]
    summary: str
    form: str
    answer: str
    page: str = ""
    how: str = ""
    dry_run: bool = False
    authenticated: bool = True
    again: str = ""


@dataclass(frozen=True)
class Reader:
    """Reads the operations of one document."""

    document: Document
    shapes: Shapes
    names: Names

    def all(self) -> Iterator[Operation]:
        """Every operation that a program can call (redirects are for browsers), and what follows: many at once, waits."""
        for path, method, operation in self.document.operations():
            if any(status.startswith("2") for status in operation["responses"]):
                yield from self._methods(path, method, operation)

    def _methods(self, path: str, method: str, operation: Json) -> Iterator[Operation]:
        plain = self._plain(path, method, operation)
        yield plain
        query = parameters(operation, "query")
        bulk = next((schema for _, schema in answers(operation) if referred(schema).endswith("Bulk")), None)
        if bulk is not None:
            yield self._many(plain, bulk)
        if set(query) >= _POLLING:
            yield _derived(plain, name="wait", form="job_wait", summary="Wait until it succeeded.")
        if plain.form == "text" and "offset" in query:
            yield _derived(plain, name=f"follow_{plain.name}", form="growing", summary=f"{plain.summary}, as it grows")

    def _plain(self, path: str, method: str, operation: Json) -> Operation:
        scope, below = self._scope(path)
        group, name = self.names.place(operation["operationId"])
        media, schema = (answers(operation) or [(JSON, {})])[0]
        streamed = any(each == STREAM for each, _ in answers(operation))
        form, answer, page = self._streamed(schema) if streamed else self._answer(method, media, schema)
        body = body_of(operation)
        if body is not None and body[0] == BINARY:
            name = "upload" if name == "create" else name
        if form == "events":
            group, name = "", group
        headers = parameters(operation, "header")
        how = "Conditional" if "If-Match" in headers else "Waited" if form == "settled" else "Sent"
        return Operation(
            operation["operationId"],
            scope,
            group,
            name,
            method.upper(),
            below,
            tuple(self._arguments(below, operation, body)),
            operation.get("description") or operation.get("summary") or operation["operationId"],
            form,
            answer,
            page,
            how if "Idempotency-Key" in headers else "",
            dry_run="dry_run" in parameters(operation, "query"),
            authenticated=operation.get("security") != [],
            again=below.partition("/{")[0] if form == "settled" and method != "delete" else "",
        )

    def _scope(self, path: str) -> tuple[str, str]:
        """The object that binds the beginning of a path, and the rest."""
        bound = SCOPES.get(self.document.namespace)
        if bound is not None and path.startswith(f"{bound}/"):
            return ("tenant" if self.document.namespace == "tenant" else "organization"), path.removeprefix(bound)
        return self.document.namespace, path

    def _answer(self, method: str, media: str, schema: Json) -> tuple[str, str, str]:
        if media != JSON:
            return "text", "bytes", ""
        if not schema:
            return "none", "None", ""
        if self.document.is_page(schema):
            item = self.document.resolved(schema)["properties"]["items"]["items"]
            return "page", self.shapes.answered(self.document, item, "records."), self._record(schema)
        changed = self.document.is_resource(schema) and method != "get"
        return "settled" if changed else "record", self._record(schema), ""

    def _streamed(self, page: Json) -> tuple[str, str, str]:
        """What is told one by one is what stands on a page of it."""
        self._record(self.document.resolved(page)["properties"]["items"])
        return "events", "Event", ""

    def _record(self, schema: Json) -> str:
        return self.shapes.answered(self.document, schema, "records.")

    def _arguments(self, path: str, operation: Json, body: tuple[str, Json] | None) -> Iterator[Argument]:
        bound = parameters(operation, "path")
        for part in path.split("/"):
            if part.startswith("{"):
                key = part[1:-1]
                kind = "int" if bound[key].get("schema", {}).get("type") == "integer" else "str"
                yield Argument(argument(key), key, kind, "path", required=True)
        yield from self._of_the_body(body)
        taken = {each.name for each in self._of_the_body(body)}
        query = parameters(operation, "query")
        leave = _OF_THE_CALL | (_PAGING if "cursor" in query else set()) | (_POLLING if set(query) >= _POLLING else set())
        for key, parameter in query.items():
            if key not in leave and argument(key) not in taken:
                kind = "Selector" if key in {"label", "labels"} else self.shapes.sent(self.document, parameter["schema"])
                yield Argument(argument(key), key, kind, "query", required=bool(parameter.get("required")))

    def _of_the_body(self, body: tuple[str, Json] | None) -> Iterator[Argument]:
        if body is None:
            return
        media, schema = body
        if media == BINARY:
            yield Argument("file", "", "Path", "file", required=True)
            return
        shape = self.document.resolved(schema)
        properties = shape.get("properties")
        if not properties or _is_table(properties):
            yield Argument("body", "", self.shapes.sent(self.document, schema), "body", required=True)
            return
        required = set(shape.get("required", ()))
        for key, each in properties.items():
            if key != "count":
                kind = self.shapes.sent(self.document, each)
                yield Argument(argument(key), key, kind, "field", required=key in required)

    def _many(self, plain: Operation, bulk: Json) -> Operation:
        page = next(
            schema
            for path, method, operation in self.document.operations()
            if method == "get" and path.endswith(plain.path)
            for _, schema in answers(operation)
        )
        count = Argument("count", "count", "int", "field", required=True)
        first, *others = plain.arguments
        summary = "Make up to 1000 by one request, NAME-1 to NAME-COUNT, all or none"
        return _derived(
            plain, name="create_many", form="bulk", summary=summary, answer=self._record(bulk), page=self._record(page),
            arguments=(first, count, *others),
        )  # fmt: skip


def _is_table(properties: Json) -> bool:
    """Fields that are all of one sort, each may be missing and may be null: a table by name, where null says something."""
    sorts = [{key: value for key, value in each.items() if key not in {"title", "description"}} for each in properties.values()]
    return len(sorts) > 1 and all(each == sorts[0] for each in sorts) and "anyOf" in sorts[0] and "default" not in sorts[0]


def _derived(plain: Operation, **changes: object) -> Operation:
    """A method that follows from another."""
    return Operation(**{**vars(plain), "dry_run": plain.dry_run and changes["form"] == "bulk", **changes})
