"""Answers that read better as a story than as fields: plans of dry runs, jobs, timelines, waterfalls, quotas."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import click

from groundplane.cli.paint import cell, coloured, columns, harmless, moment, outline, width

Json = Mapping[str, Any]
_STEP_COLOURS = {"succeeded": "green", "failed": "red", "retrying": "yellow", "step_error": "red", "unanswered": "yellow"}


def plan(answer: Json, room: int) -> Sequence[str]:
    """What a command would do."""
    lines = [click.style("Nothing was done. This would be:", bold=True)]
    for sign, colour, title, sort in (("+", "green", "made", "created"), ("~", "yellow", "changed", "changed")):
        for each in answer[sort]:
            place = f" on host {harmless(each['host_name'])}" if each.get("host_name") else ""
            lines.append(click.style(f"  {sign} {each['kind'].replace('_', ' ')} {harmless(each['name'])}", fg=colour) + place)
            lines += outline({"": each["changes"]}, 2)[1:] if each.get("changes") else []
        if (more := answer[f"{sort}_count"] - len(answer[sort])) > 0:
            lines.append(f"    and {more} more {title}")
    if not answer["created"] and not answer["changed"]:
        lines.append("  nothing is made or changed")
    lines += [f"  job {each['workflow']}: {' → '.join(each['steps'])}" for each in answer["jobs"]]
    if (more := answer["jobs_count"] - len(answer["jobs"])) > 0:
        lines.append(f"    and {more} more jobs")
    for whose, sort in (("project", "quota"), ("organization", "organization_quota")):
        effects = [_effect(name, each) for name, each in answer.get(sort, {}).items()]
        if effects:
            lines.append(f"  quota of the {whose}: {', '.join(effects)}")
    del room
    return lines


def _effect(name: str, effect: Json) -> str:
    limit = "without limit" if effect["limit"] is None else f"of {effect['limit']}"
    return f"{name} {effect['used']} → {effect['after']} {limit}"


def job(answer: Json, room: int) -> Sequence[str]:
    """A job and its steps."""
    head = {key: value for key, value in answer.items() if key not in {"steps", "links", "errors", "error"}}
    lines = outline(head)
    if answer.get("error"):
        lines.append(click.style("error:", bold=True) + f"              {harmless(str(answer['error'].get('message', '')))}")
    lines.append(click.style("steps:", bold=True))
    del room
    return lines + [f"  {step_line(step)}" for step in answer.get("steps") or ()]


def step_line(step: Json) -> str:
    """A line of a job's history."""
    detail = step["detail"]
    calls = [f"{call['verb']} {call['kind']} {call['milliseconds']:.0f} ms" for call in detail.get("calls", ())]
    operations = [str(each) for each in detail.get("operations", ())]
    fault = detail.get("fault") or {}
    more = ", ".join(calls or operations) or str(fault.get("message", ""))
    what = click.style(step["what"], fg=_STEP_COLOURS.get(step["what"]))
    attempt = f" (try {step['attempt']})" if step["attempt"] > 1 else ""
    return f"{moment(step['at'])[11:]}  {step['step']}: {what}{attempt}" + (f" · {harmless(more)}" if more else "")


def why(answer: Json, room: int) -> Sequence[str]:
    """Why something is as it is."""
    lines = [click.style(harmless(answer["summary"]), bold=True)]
    if answer["more"]:
        lines.append("… older entries are left out; ask for more by --limit")
    day = ""
    for each in answer["entries"]:
        at = moment(each["at"])
        if at[:10] != day:
            day = at[:10]
            lines.append(day)
        lines.append(f"  {at[11:]}  {coloured(each['what'])}: {harmless(each['sentence'])}")
    del room
    return lines


def trace(answer: Json, room: int) -> Sequence[str]:
    """A waterfall."""
    spans = list(_walk(answer["spans"], 0))
    names = [f"{'  ' * depth}{harmless(span['name'])}" for depth, span in spans]
    label = min(max(map(width, names), default=0), 48, max(room // 2, 20))
    bar = max(room - label - 28, 10)
    total = max(answer["duration_ms"], 0.001)
    lines = [f"{harmless(answer['sentence'])} {answer['duration_ms']:.0f} ms in all."]
    for (_, span), name in zip(spans, names, strict=True):
        begin = min(int(span["start_ms"] / total * bar), bar - 1)
        length = max(1, min(round(span["duration_ms"] / total * bar), bar - begin))
        strip = " " * begin + click.style("█" * length, fg="red" if span["error"] else "blue")
        time = f"{span['duration_ms']:9.1f} ms"
        lines.append(f"{name[:label].ljust(label)}  {span['service'][:8]:8}{time}  {strip}")
    return lines


def _walk(spans: Sequence[Json], depth: int) -> Iterator[tuple[int, Json]]:
    for each in spans:
        yield depth, each
        yield from _walk(each["children"], depth + 1)


def quota(answer: Json, room: int) -> Sequence[str]:
    """What is used, and what may be."""
    rows = []
    for name, each in answer["dimensions"].items():
        full = each["limit"] is not None and each["used"] >= each["limit"]
        used = click.style(str(each["used"]), fg="red" if full else None)
        rows.append(
            [name, used, "without limit" if each["limit"] is None else str(each["limit"]), "own" if each["own"] else "default"]
        )
    return columns(["DIMENSION", "USED", "LIMIT", "SET"], rows, room)


def links(answer: Json, room: int) -> Sequence[str]:
    """What something uses, and what uses it."""
    rows = [
        [
            title,
            each["role"],
            each["resource"]["kind"],
            harmless(each["resource"]["name"]),
            coloured(each["resource"]["status"]),
        ]
        for title, sort in (("uses", "uses"), ("used by", "used_by"))
        for each in answer[sort]
    ]
    return columns(["", "AS", "KIND", "NAME", "STATUS"], rows, room) if rows else ["It uses nothing, and nothing uses it."]


def topology(answer: Json, room: int) -> Sequence[str]:
    """What uses what, as a table of links; then what stands alone."""
    nodes = {each["id"]: f"{each['kind']}/{harmless(each['name'])}" for each in answer["nodes"]}
    rows = [
        [nodes.get(each["from"], each["from"]), each["role"], nodes.get(each["to"], each["to"])] for each in answer["links"]
    ]
    linked = {end for each in answer["links"] for end in (each["from"], each["to"])}
    alone = [[name, "", ""] for key, name in nodes.items() if key not in linked]
    lines = columns(["WHAT", "USES AS", "WHAT"], sorted(rows) + sorted(alone), room)
    return [*lines, "There is more than is shown here."] if answer.get("truncated") else lines


def places(answer: Json, room: int) -> Sequence[str]:
    """Where somebody may go."""
    rows = [[each["organization_name"], each["name"], each["id"]] for each in answer["projects"]]
    within = {each["organization_id"] for each in answer["projects"]}
    rows += [[each["name"], "-", each["id"]] for each in answer["organizations"] if each["id"] not in within]
    return columns(["ORGANIZATION", "PROJECT", "ID"], [[cell(each) for each in row] for row in rows], room)


def kinds(answer: Json, room: int) -> Sequence[str]:
    """What kinds there are."""
    rows = [[each["name"].replace("_", "-"), each["scope"], each["summary"]] for each in answer["kinds"]]
    return columns(["KIND", "OF", "WHAT IT IS"], [[cell(each) for each in row] for row in sorted(rows)], room)


STORIES: Mapping[str, Callable[[Json, int], Sequence[str]]] = {
    "DryRunView": plan,
    "JobView": job,
    "KindCatalog": kinds,
    "Links": links,
    "OwnPlacesView": places,
    "QuotaView": quota,
    "Topology": topology,
    "TraceView": trace,
    "Why": why,
}
"""By the name of the answer's schema."""
