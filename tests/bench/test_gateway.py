"""The parts of the benchmark of the gateway: what it asks for, and that it takes no short page for a full one."""

import json
import random
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from bench.gateway import PAGE, VALUES, Shelf, answered_per_second, full_pages
from bench.load import Answer, Fired, Get, Plan

from groundplane.kernel.ids import new_id, parse_id

SHELF = Shelf(new_id(), new_id(), [UUID(int=number) for number in range(5000)])


def _fired(*pages: int) -> Fired:
    bodies = [json.dumps({"items": [{}] * items}) for items in pages]
    return Fired([Answer(number, number + 0.5, 200, body) for number, body in enumerate(bodies)], 0.1)


def test_a_page_begins_where_as_many_come_after_as_fill_it() -> None:
    chance = random.Random(1)  # noqa: S311  # the same each time
    for ask, leave in ((SHELF.page, PAGE), (SHELF.labelled, 2 * PAGE * VALUES)):
        queries = [parse_qs(urlsplit(ask(chance)).query) for _ in range(500)]
        after = [parse_id("vm", query["cursor"][0]) for query in queries]
        numbers = [each.int for each in after if each]
        assert len(numbers) == 500
        assert max(numbers) < 5000 - leave
        assert len(set(numbers)) > 400
        assert all(query["limit"] == [str(PAGE)] for query in queries)
    assert {query["label"][0] for query in queries} == {f"shelf={value}" for value in range(VALUES)}


def test_a_short_page_is_not_measured() -> None:
    assert full_pages(_fired(PAGE, PAGE)) == [500, 500]
    with pytest.raises(RuntimeError, match="a page of 49 instead of 50"):
        full_pages(_fired(PAGE, PAGE - 1))


def test_the_rate_is_to_the_last_answer() -> None:
    assert answered_per_second(_fired(PAGE, PAGE, PAGE)) == 3 / 2.5


def test_a_plan_of_readings_is_sent_as_it_was_made() -> None:
    wire = Get("/a?b=c%3Dd", "a-token").wire("127.0.0.1:80")
    assert wire == b"GET /a?b=c%3Dd HTTP/1.1\r\nHost: 127.0.0.1:80\r\nAuthorization: Bearer a-token\r\n\r\n"
    text = json.dumps({"port": 80, "clients": 1, "queues": [[{"path": "/a", "token": "t"}]], "pause": 0.0})
    assert Plan.parse(text).queues == [[Get("/a", "t")]]
