"""The text of the classes that callers use, for threads and for asyncio: the same but for what awaits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from groundplane.sdk.making.naming import class_name
from groundplane.sdk.making.operations import Argument, Operation
from groundplane.sdk.making.shapes import WIDTH, docstring

SCOPE_CLASSES = {"tenant": "Tenant", "organization": "Organization", "common": "Common", "ops": "Operations"}
_BOUND = {"tenant": ("projects", "project_id"), "organization": ("organizations", "organization_id")}
_ABOUT = {
    "tenant": "What lies in one project.",
    "organization": "What belongs to one organization: its projects, and who may do what in them.",
    "common": "Organizations, users, roles, and what is yours.",
    "ops": "What operators see and do: the infrastructure, and the jobs of everybody.",
}
_ITERATES = {"page", "growing", "events"}
_DERIVED = {"job_wait", "growing", "events"}
"""What sends more requests than one, with queries of its own."""


@dataclass(frozen=True)
class Flavour:
    """Of threads, or of asyncio."""

    asynchronous: bool

    @property
    def session(self) -> str:
        """What does the requests."""
        return "AsyncSession" if self.asynchronous else "Session"

    @property
    def prefix(self) -> str:
        """What the names of the scopes begin with."""
        return "Async" if self.asynchronous else ""

    def many(self, item: str) -> str:
        """What gives items one by one; one that waits is closed by who wants no more (`contextlib.aclosing`)."""
        return f"AsyncGenerator[{item}, None]" if self.asynchronous else f"Iterator[{item}]"


def class_lines(operations: Sequence[Operation], prefixes: dict[str, str], flavour: Flavour) -> Iterator[str]:
    """Every group and every scope."""
    yield from _base(flavour)
    for scope in SCOPE_CLASSES:
        here = [each for each in operations if each.scope == scope]
        groups = dict.fromkeys(each.group for each in here if each.group)
        for group in groups:
            yield from _group(scope, group, [each for each in here if each.group == group], flavour)
        yield from _scope(scope, prefixes[scope], groups, [each for each in here if not each.group], flavour)


def _base(flavour: Flavour) -> list[str]:
    return [
        "class _Group:",
        '    """What is done with resources of one sort below one path. All raise ApiError and ConnectionFailedError."""',
        "",
        f"    def __init__(self, session: {flavour.session}, at: str) -> None:",
        "        self._session = session",
        "        self._at = at",
        "",
        "",
    ]


def _group(scope: str, group: str, operations: Sequence[Operation], flavour: Flavour) -> Iterator[str]:
    name = f"{SCOPE_CLASSES[scope]}{class_name(group)}"
    tried = [each for each in operations if each.dry_run]
    if tried:
        yield from _class(f"{name}DryRun", f"Tells what calls of {group.replace('_', ' ')} would do. Nothing of it is done.")
        for operation in tried:
            yield from _method(operation, flavour, dry_run=True)
        yield ""
    yield from _class(name, f"{group.replace('_', ' ').capitalize()}, in {_PLACES[scope]}.")
    if tried:
        yield f"    def __init__(self, session: {flavour.session}, at: str) -> None:"
        yield "        super().__init__(session, at)"
        yield f"        self.dry_run = {name}DryRun(session, at)"
        yield ""
    for operation in operations:
        yield from _method(operation, flavour)
    yield ""


_PLACES = {"tenant": "a project", "organization": "an organization", "common": "the platform", "ops": "the whole platform"}


def _class(name: str, about: str) -> list[str]:
    return [f"class {name}(_Group):", *docstring(about, name), ""]


def _scope(scope: str, prefix: str, groups: Iterable[str], operations: Sequence[Operation], flavour: Flavour) -> Iterator[str]:
    name = SCOPE_CLASSES[scope]
    yield from [f"class {flavour.prefix}{name}(_Group):", *docstring(_ABOUT[scope], name), ""]
    if scope in _BOUND:
        collection, key = _BOUND[scope]
        yield f"    def __init__(self, session: {flavour.session}, {key}: str) -> None:"
        yield f'        super().__init__(session, f"{prefix}/{collection}/{{quoted({key})}}")'
        yield f"        self.{key} = {key}"
    else:
        yield f"    def __init__(self, session: {flavour.session}) -> None:"
        yield f'        super().__init__(session, "{prefix}")'
    for group in groups:
        yield f"        self.{group} = {name}{class_name(group)}(session, self._at)"
    yield ""
    for operation in operations:
        yield from _method(operation, flavour)
    yield ""


def _method(operation: Operation, flavour: Flavour, *, dry_run: bool = False) -> Iterator[str]:
    iterates = operation.form in _ITERATES
    waits = flavour.asynchronous and not iterates
    head = f"    {'async ' if waits else ''}def {operation.name}("
    yield from _signature(head, _parameters(operation, dry_run=dry_run), _answer(operation, flavour, dry_run=dry_run))
    yield from docstring(f"{operation.summary.rstrip('.')}.", operation.operation_id, 8)
    flow = _flow(operation, dry_run=dry_run)
    does = "stream" if iterates else "run"
    yield from _wrapped("        call = ", "Call", _call(operation, dry_run=dry_run))
    answers = operation.form != "none" or dry_run
    yield f"        {'return ' if answers else ''}{'await ' if waits else ''}self._session.{does}({flow})"
    yield ""


def _signature(head: str, parameters: list[str], answer: str) -> list[str]:
    """On one line if it fits, else its parameters on one, else each on its own: as formatters do."""
    line = f"{head}{', '.join(parameters)}) -> {answer}:"
    if len(line) <= WIDTH:
        return [line]
    inner = f"        {', '.join(parameters)}"
    if len(inner) <= WIDTH:
        return [head, inner, f"    ) -> {answer}:"]
    return [head, *(f"        {each}," for each in parameters), f"    ) -> {answer}:"]


def _parameters(operation: Operation, *, dry_run: bool) -> list[str]:
    if operation.form == "job_wait":
        firsts = [f"{each.name}: {each.type}" for each in operation.arguments if each.where == "path"]
        return ["self", *firsts, "timeout: float = WAIT_SECONDS", "on_step: OnStep | None = None"]
    firsts = [f"{each.name}: {each.type}" for each in operation.arguments if each.required]
    others = [_optional(each) for each in _optionals(operation)]
    if operation.form == "growing":
        firsts.append("offset: int = 0")
        others = ["timeout: float | None = None", "interval: float = 0.5"]
    if operation.form == "events":
        others = ["cursor: str | None = None"]
    if any(each.where == "file" for each in operation.arguments) and not dry_run:
        others.append("progress: OnProgress | None = None")
    how = [f"**how: Unpack[{operation.how}]"] if operation.how and not dry_run else []
    return ["self", *firsts, *(["*", *others] if others else []), *how]


def _optionals(operation: Operation) -> list[Argument]:
    return [] if operation.form in _DERIVED else [each for each in operation.arguments if not each.required]


def _optional(argument: Argument) -> str:
    kind = argument.type if argument.type.endswith("| None") or argument.type == "Any" else f"{argument.type} | None"
    return f"{argument.name}: {kind} = None"


def _answer(operation: Operation, flavour: Flavour, *, dry_run: bool) -> str:
    if dry_run:
        return "records.DryRun"
    return flavour.many(operation.answer) if operation.form in _ITERATES else operation.answer


_FLOWS = {
    "record": "jobs.read(call, {answer}{how})",
    "none": "jobs.done(call{how})",
    "text": "jobs.text(call)",
    "page": "paging.items(call, {page})",
    "settled": "jobs.settle(call, {answer}, how, {again})",
    "bulk": "jobs.settle_many(call, {answer}, {page}, how)",
    "job_wait": "jobs.wait(call.path, timeout, on_step)",
    "growing": "growing.follow(call, offset, timeout, interval)",
    "events": "events.follow(call, cursor)",
}
"""The steps that do it by the operation's form, `call` being the request."""


def _flow(operation: Operation, *, dry_run: bool) -> str:
    if dry_run:
        return "jobs.read(call, records.DryRun)"
    again = f'f"{{self._at}}{operation.again}"' if operation.again else "None"
    how = ", how" if operation.how else ""
    return _FLOWS[operation.form].format(answer=operation.answer, page=operation.page, how=how, again=again)


def _wrapped(head: str, function: str, arguments: list[str]) -> list[str]:
    function = function if not arguments[0].startswith("upload:") else "uploads.upload"
    arguments = [each.removeprefix("upload:") for each in arguments]
    line = f"{head}{function}({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return [line]
    inner = f"            {', '.join(arguments)}"
    if len(inner) <= WIDTH:
        return [f"{head}{function}(", inner, "        )"]
    return [f"{head}{function}(", *(line for each in arguments for line in _argument(each)), "        )"]


def _argument(text: str) -> list[str]:
    line = f"            {text},"
    if len(line) <= WIDTH:
        return [line]
    opening = text.index("{") + 1 if text.startswith("query=") else text.index("(") + 1
    items = text[opening:-1].split(", ")
    return [f"            {text[:opening]}", *(f"                {each}," for each in items), f"            {text[-1]},"]


def _call(operation: Operation, *, dry_run: bool) -> list[str]:
    """The arguments of the request."""
    path = operation.path
    for each in operation.arguments:
        if each.where == "path":
            path = path.replace(f"{{{each.key}}}", f"{{quoted({each.name})}}")
    where = f'f"{{self._at}}{path}"'
    derived = operation.form in _DERIVED
    query = [] if derived else [f'"{each.key}": {_said(each)}' for each in operation.arguments if each.where == "query"]
    query += ['"dry_run": True'] if dry_run else []
    if any(each.where == "file" for each in operation.arguments):
        return [f"upload:{where}", "file", f"{{{', '.join(query)}}}", "None" if dry_run else "progress"]
    fields = [] if derived else [f"{each.name}={each.name}" for each in operation.arguments if each.where == "field"]
    whole = [each.name for each in operation.arguments if each.where == "body"]
    return [
        f'"{operation.method}"',
        where,
        *([f"query={{{', '.join(query)}}}"] if query else []),
        *([f"json=given({', '.join(fields)})"] if fields else [f"json={each}" for each in whole]),
        *([] if operation.authenticated else ["authenticated=False"]),
    ]


def _said(argument: Argument) -> str:
    return f"selector({argument.name})" if argument.type == "Selector" else argument.name
