import { expect, test } from "vitest";

import type { Schema } from "../api/catalog";
import { changeOf, draftOf, fieldOf, missing, requestOf } from "./schema";

const nullable = (schema: Schema): Schema => ({ anyOf: [schema, { type: "null" }], default: null });
const reference = (kind: string): Schema => ({ type: "string", "x-kind": kind, title: "A name or an id" });

const MACHINE: Schema = {
  type: "object",
  required: ["vcpus", "root", "image"],
  $defs: {
    Nic: {
      type: "object",
      title: "Nic",
      required: ["network"],
      properties: { network: reference("network"), address: nullable({ type: "string", maxLength: 15 }) },
    },
    Empty: {
      type: "object",
      title: "Empty disk",
      required: ["kind", "gib"],
      properties: { kind: { const: "empty" }, gib: { type: "integer" } },
    },
    Copy: {
      type: "object",
      title: "Copy",
      required: ["kind", "image"],
      properties: { kind: { const: "copy" }, image: reference("image") },
    },
  },
  properties: {
    vcpus: { type: "integer", minimum: 1, maximum: 256, title: "vCPUs" },
    image: { ...reference("image"), title: "Image" },
    power: { enum: ["running", "stopped"], default: "running" },
    open: { type: "boolean", default: true },
    nics: { type: "array", items: { $ref: "#/$defs/Nic" }, default: [], maxItems: 8 },
    groups: { type: "array", items: reference("security_group"), default: [] },
    user_data: nullable({ type: "string", maxLength: 65536 }),
    remote: nullable({ anyOf: [{ const: "self" }, { type: "string" }] }),
    secret: { type: "string", format: "password" },
    root: {
      oneOf: [{ $ref: "#/$defs/Empty" }, { $ref: "#/$defs/Copy" }],
      discriminator: { propertyName: "kind" },
    },
  },
};

const field = fieldOf(MACHINE);
const fields = field.is === "group" ? field.fields : {};

test("each field is drawn as what it is", () => {
  expect(Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, each.is]))).toEqual({
    vcpus: "number",
    image: "reference",
    power: "choice",
    open: "flag",
    nics: "list",
    groups: "references",
    user_data: "text",
    remote: "text",
    secret: "text",
    root: "union",
  });
});

test("titles, bounds and what may be left unsaid", () => {
  expect(fields["vcpus"]).toMatchObject({ title: "vCPUs", optional: false, whole: true, minimum: 1, maximum: 256 });
  expect(fields["user_data"]).toMatchObject({ title: "User data", optional: true, long: true });
  expect(fields["secret"]).toMatchObject({ secret: true });
  expect(fields["remote"]).toMatchObject({ suggestions: ["self"] });
  expect(fields["nics"]).toMatchObject({
    most: 8,
    item: { is: "group", fields: { network: { is: "reference", kind: "network" } } },
  });
});

test("a form begins with what is preset, and says only what is not", () => {
  const draft = draftOf(field);
  expect(draft).toMatchObject({ power: "running", open: true, nics: [], groups: [], root: { variant: 0 } });
  expect(requestOf(field, draft)).toEqual({ root: { kind: "empty" } });
});

test("what was typed becomes the request", () => {
  const draft = {
    ...(draftOf(field) as object),
    vcpus: 2,
    image: "img_1",
    open: false,
    user_data: "",
    nics: [{ network: "net_1", address: undefined }],
    root: { variant: 1, value: { image: "img_1" } },
  };
  expect(requestOf(field, draft)).toEqual({
    vcpus: 2,
    image: "img_1",
    open: false,
    nics: [{ network: "net_1" }],
    root: { kind: "copy", image: "img_1" },
  });
});

test("what is needed and not said is told at its pointer", () => {
  const draft = { ...(draftOf(field) as object), vcpus: 1, nics: [{}] };
  expect([...missing(field, draft, "/spec").keys()]).toEqual(["/spec/image", "/spec/nics/0/network"]);
});

test("an optional part that was begun has to be finished", () => {
  const part = fieldOf(
    nullable({ type: "object", required: ["a"], properties: { a: { type: "string" }, b: { type: "string" } } }),
  );
  expect([...missing(part, {}, "/x")]).toEqual([]);
  expect([...missing(part, { b: "1" }, "/x").keys()]).toEqual(["/x/a"]);
});

test("a change says what differs and what must be said, and nothing when nothing differs", () => {
  const update = fieldOf({
    type: "object",
    required: ["size"],
    properties: {
      size: { type: "integer" },
      groups: { type: "array", items: reference("security_group"), default: [] },
      note: nullable({ type: "string" }),
    },
  });
  const before = draftOf(update, { size: 5, groups: ["sg_1"], note: "x" });
  expect(changeOf(update, before, before)).toBeUndefined();
  expect(changeOf(update, before, { ...(before as object), groups: [] })).toEqual({ size: 5, groups: [] });
  expect(changeOf(update, before, { ...(before as object), size: 7 })).toEqual({ size: 7 });
});
