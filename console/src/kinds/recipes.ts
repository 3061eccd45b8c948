/** How what a page shows or does is done without it: the API call, and the command line (`gp`). */

import type { Kind, Resource } from "../api/catalog";
import { type Field, isRecord } from "./schema";

/** The noun of the command line: `ssh-key`, `ops host`. */
export function nounOf(kind: Kind): string {
  const noun = kind.name.replaceAll("_", "-");
  return kind.namespace === "ops" ? `ops ${noun}` : noun;
}

export function listLine(kind: Kind, query: Record<string, string>): string {
  const options = Object.entries(query).map(([name, value]) => ` --${name.replaceAll("_", "-")} ${word(value)}`);
  return `gp ${nounOf(kind)} list${options.join("")}`;
}

export function itemLine(kind: Kind, verb: string, { name }: Pick<Resource, "name">): string {
  return `gp ${nounOf(kind)} ${verb} ${word(name)}`;
}

/** The command that makes, or changes, what a form says. What has parts is said by `--set`. */
export function formLine(
  kind: Kind,
  verb: "create" | "update",
  name: string,
  body: Record<string, unknown>,
  field: Field | null,
): string {
  const labels = Object.entries((body["labels"] as Record<string, string> | undefined) ?? {});
  const spec = isRecord(body["spec"]) ? Object.entries(body["spec"]) : [];
  const options = [
    ...(verb === "update" && typeof body["name"] === "string" ? [`--name ${word(body["name"])}`] : []),
    ...(typeof body["count"] === "number" ? [`--count ${body["count"]}`] : []),
    ...labels.map(([key, value]) => `--label ${word(`${key}=${value}`)}`),
    ...spec.flatMap(([key, value]) => optionsOf(key, value, field?.is === "group" ? field.fields[key] : undefined)),
  ];
  return [`gp ${nounOf(kind)} ${verb} ${word(name || "NAME")}`, ...options].join(" \\\n    ");
}

function optionsOf(key: string, value: unknown, field: Field | undefined): string[] {
  const flag = key.replaceAll("_", "-");
  if (field?.is === "text" && field.secret) return [`--${flag}-file -`];
  if (typeof value === "boolean") return [`--${value ? "" : "no-"}${flag}`];
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) {
    return value.map((each) => `--${flag.replace(/s$/, "")} ${word(String(each))}`);
  }
  if (typeof value === "object" && value !== null) return [`--set ${word(`${key}=${JSON.stringify(value)}`)}`];
  return [`--${flag} ${word(String(value))}`];
}

/** A word as a shell takes it. */
export function word(text: string): string {
  return /^[\w@%+=:,./^-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A call of the API with its body. */
export function callText(method: string, path: string, body?: unknown): string {
  return body === undefined ? `${method} ${path}` : `${method} ${path}\n\n${JSON.stringify(body, null, 2)}`;
}
