import { expect, test } from "vitest";

import type { Kind } from "../api/catalog";
import { formLine, itemLine, listLine, nounOf } from "./recipes";
import { fieldOf } from "./schema";

const kind = (name: string, namespace: Kind["namespace"] = "tenant") => ({ name, namespace }) as Kind;

test("nouns are the command line's", () => {
  expect(nounOf(kind("ssh_key"))).toBe("ssh-key");
  expect(nounOf(kind("host", "ops"))).toBe("ops host");
});

test("a table's filter is the command's options", () => {
  expect(listLine(kind("volume"), { name_prefix: "web", label: "zone in (a,b)" })).toBe(
    "gp volume list --name-prefix web --label 'zone in (a,b)'",
  );
});

test("a form is a command", () => {
  const field = fieldOf({
    type: "object",
    properties: {
      size_gib: { type: "integer" },
      dns_servers: { type: "array", items: { type: "string" } },
      open: { type: "boolean" },
      value: { type: "string", format: "password" },
      root: { type: "object", properties: { image: { type: "string" } } },
    },
  });
  const spec = { size_gib: 5, dns_servers: ["1.1.1.1", "9.9.9.9"], open: false, value: "hush", root: { image: "a b" } };
  expect(
    formLine(kind("volume"), "create", "data", { labels: { env: "prod" }, spec }, field).split(" \\\n    "),
  ).toEqual([
    "gp volume create data",
    "--label env=prod",
    "--size-gib 5",
    "--dns-server 1.1.1.1",
    "--dns-server 9.9.9.9",
    "--no-open",
    "--value-file -",
    `--set 'root={"image":"a b"}'`,
  ]);
});

test("quotes in words are safe in a shell", () => {
  expect(itemLine(kind("volume"), "show", { name: "it's" })).toBe(`gp volume show 'it'\\''s'`);
});
