"""The pages that list pages: of all kinds, with what they have in common, and of all other groups of routes."""

from groundplane.processes.reference.api import Api
from groundplane.processes.reference.group import group_slug, group_title
from groundplane.processes.reference.markdown import code, page, table


def kinds_index(api: Api) -> str:
    """What kinds there are, and the fields of every resource."""
    rows = [
        (f"[{kind['title_plural']}]({kind['plural']}.md)", kind["summary"], code(f"{kind['prefix']}_…"), kind["scope"])
        for kind in sorted(api.kinds.values(), key=lambda kind: (kind["scope"] == "platform", kind["title"]))
    ]
    return page(
        "Resources",
        "Every resource is of a kind. What is told here of one kind follows from its declaration; the routes, permissions, "
        "history and *why* of all are alike, as [told once](../conventions.md).",
        table(("Kind", "What it is", "Ids", "Belongs to"), rows),
        "## Fields that all resources have",
        _common_fields(api),
    )


def _common_fields(api: Api) -> str:
    """Those of the first kind: what lies outside of `spec` and `observed` is the same for all."""
    kind = next(iter(api.kinds.values()))
    read = next(each for each in api.of_tag(kind["plural"]) if each.id == f"{kind['name']}_read")
    view = read.teller.resolve(read.answer("200") or {})
    shared = {name: field for name, field in view["properties"].items() if name not in {"spec", "observed"}}
    return read.teller.fields({**view, "properties": shared}, answer=True)


def groups_index(api: Api) -> str:
    """What else can be asked."""
    rows = []
    for tag in api.other_tags():
        operations = api.of_tag(tag)
        who = ", ".join(title[4:] for title, _ in api.sections(tag))
        rows.append((f"[{group_title(tag)}]({group_slug(tag)}.md)", who, str(len(operations))))
    return page(
        "Other routes",
        "What is not about resources of a kind. How requests, errors, lists and changes work everywhere: "
        "[conventions](../conventions.md). The same in machine-readable form: `docs/openapi/`, and `/docs` of each api.",
        table(("Group", "For", "Routes"), rows),
    )
