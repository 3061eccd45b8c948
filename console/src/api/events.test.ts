import { expect, test } from "vitest";

import { EventParser } from "./events";

const STREAM = 'id: 7\nevent: resource\ndata: {"a":\ndata: 1}\n\n: still here\n\nid: 8\r\ndata: x\r\n\r\n';
const EVENTS = [
  { id: "7", event: "resource", data: '{"a":\n1}' },
  { id: "8", event: "message", data: "x" },
];

test("events are cut out of the text, comments left out", () => {
  expect(new EventParser().push(STREAM)).toEqual(EVENTS);
});

test.each([1, 2, 3, 5, 8])("it does not matter where the text is cut: pieces of %i", (size) => {
  const parser = new EventParser();
  const pieces = STREAM.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
  expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(EVENTS);
});

test("an event that is not complete is not told", () => {
  const parser = new EventParser();
  expect(parser.push("id: 1\ndata: x\n")).toEqual([]);
  expect(parser.push("\n")).toEqual([{ id: "1", event: "message", data: "x" }]);
});

test("an id without data moves the cursor of the next event", () => {
  expect(new EventParser().push("id: 3\n\ndata: y\n\n")).toEqual([{ id: "3", event: "message", data: "y" }]);
});
