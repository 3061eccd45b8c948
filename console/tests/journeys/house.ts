/** What journeys share: the way in, a project of one's own, the API to prepare and to check, and axe. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { type APIRequestContext, type Page, test as base, expect } from "@playwright/test";

interface Credentials {
  email: string;
  password: string;
}

export const ADMIN = JSON.parse(readFileSync(process.env["GROUNDPLANE_ADMIN"] ?? "admin.json", "utf8")) as Credentials;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core"), "utf8");

/** A raw disk of a mebibyte that says it boots: simulated guests need no more. */
const DISK = Buffer.concat([Buffer.alloc(510), Buffer.from([0x55, 0xaa]), Buffer.alloc((1 << 20) - 512)]);
/** A public key for guests. */
export const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJGx3zVdkWJ0uOV7hH8GmWl1yX1J3yUX0cYQm0x2mZ7C ann@acme";

/** The API as somebody sees it who is logged in. */
export class Api {
  constructor(
    private readonly request: APIRequestContext,
    private readonly token: string,
  ) {}

  static async logIn(request: APIRequestContext, who: Credentials = ADMIN): Promise<Api> {
    const answer = await request.post("/api/common/v1/auth/login", {
      data: { email: who.email, password: who.password },
    });
    expect(answer.ok(), await answer.text()).toBe(true);
    return new Api(request, ((await answer.json()) as { access_token: string }).access_token);
  }

  get<T = { id: string }>(path: string): Promise<T> {
    return this.send("get", path);
  }

  post<T = { id: string }>(path: string, data?: unknown): Promise<T> {
    return this.send("post", path, data);
  }

  patch<T = { id: string }>(path: string, data: unknown): Promise<T> {
    return this.send("patch", path, data);
  }

  delete<T = unknown>(path: string): Promise<T> {
    return this.send("delete", path);
  }

  private async send<T>(method: "get" | "post" | "patch" | "delete", path: string, data?: unknown): Promise<T> {
    const answer = await this.request[method](path, { headers: { Authorization: `Bearer ${this.token}` }, data });
    expect(answer.ok(), `${method} ${path}: ${await answer.text()}`).toBe(true);
    return (await answer.json()) as T;
  }
}

export interface Project {
  id: string;
  name: string;
  /** In the API. */
  path: string;
  /** In the console. */
  address: string;
}

let count = 0;

/** `api`: the administrator's. `project`: a fresh one in an organization of its own. */
export const test = base.extend<{ api: Api; project: Project }>({
  api: async ({ playwright, baseURL }, lend) => {
    const context = await playwright.request.newContext(baseURL === undefined ? {} : { baseURL });
    await lend(await Api.logIn(context));
    await context.dispose();
  },
  project: async ({ api }, lend) => {
    const unique = `${Date.now().toString(36)}-${++count}`;
    const organization = await api.post("/api/common/v1/organizations", { name: `org-${unique}` });
    const name = `project-${unique}`;
    const { id } = await api.post(`/api/common/v1/organizations/${organization.id}/projects`, { name });
    await lend({ id, name, path: `/api/tenant/v1/projects/${id}`, address: `/console/p/${id}` });
  },
});

/** Somebody who owns the project's organization. */
export async function ownerOf(api: Api, project: Project): Promise<Credentials> {
  const who = { email: `owner-${project.name}@example.org`, password: "correct horse battery staple" };
  const user = await api.post("/api/common/v1/users", { ...who, name: "Olga" });
  const { organization_id: id } = await api.get<{ organization_id: string }>(`${project.path}/quota`);
  await api.post(`/api/common/v1/organizations/${id}/role-bindings`, { user: user.id, role: "owner" });
  return who;
}

/** A machine that boots from an empty volume of its own; it is there and runs. */
export async function bootMachine(api: Api, project: Project, name: string): Promise<string> {
  await api.post(`${project.path}/volumes`, { name: `${name}-disk`, spec: { size_gib: 1 } });
  await settled(api, `${project.path}/volumes/${name}-disk`);
  const spec = { vcpus: 2, memory_mib: 512, root_volume: { volume: `${name}-disk` } };
  const { id } = await api.post(`${project.path}/vms`, { name, spec });
  await settled(api, `${project.path}/vms/${name}`);
  return id;
}

/** Until a resource is as it should be. */
export async function settled(api: Api, path: string): Promise<void> {
  await expect.poll(async () => (await api.get<{ status: string }>(path)).status).toBe("active");
}

/** Log in at an address, and be there. */
export async function enter(page: Page, address: string, who: Credentials = ADMIN): Promise<void> {
  await page.goto(address);
  await page.getByLabel("E-mail address").fill(who.email);
  await page.getByLabel("Password").fill(who.password);
  await page.keyboard.press("Enter");
  await expect(page.locator("#content")).toBeVisible();
}

/** Upload a disk as an image, at the page for it; an image is called as its file is. */
export async function upload(
  page: Page,
  file: string | { name: string; mimeType: string; buffer: Buffer },
): Promise<void> {
  await page.locator("input[type=file]").setInputFiles(file);
  await page.getByRole("button", { name: "Upload image" }).click();
}

/** A file of DISK. */
export function disk(name: string): { name: string; mimeType: string; buffer: Buffer } {
  return { name, mimeType: "application/octet-stream", buffer: DISK };
}

/** In a wizard. */
export async function nextStep(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Next", exact: true }).click();
}

interface Finding {
  id: string;
  impact: string | null;
  help: string;
  nodes: { html: string }[];
}

/** axe finds nothing serious on the page, in neither theme. */
export async function expectAccessible(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.waitForTimeout(300); // colours change over a moment
    await page.evaluate(AXE);
    const findings = await page.evaluate(async () => {
      const { axe } = globalThis as unknown as {
        axe: { run: (options: object) => Promise<{ violations: Finding[] }> };
      };
      const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
      return (await axe.run({ runOnly: { type: "tag", values: tags } })).violations;
    });
    const serious = findings.filter(({ impact }) => impact === "serious" || impact === "critical");
    const told = serious.map(
      ({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html }) => html.slice(0, 300)).join("\n")}`,
    );
    expect(told, `${page.url()} in ${colorScheme}`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}

export { expect };
