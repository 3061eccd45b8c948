/** Takes the pictures of docs/pictures from an installation that is furnished here as a small company's would be. Not a test. */

import { join } from "node:path";

import type { Page } from "@playwright/test";

import { lose, order } from "../journeys/faults";
import { type Api, KEY, disk, enter, expect, nextStep, test, upload } from "../journeys/house";

const FOLDER = process.env["PICTURES"] ?? "../docs/pictures";

interface Shop {
  path: string;
  address: string;
}

test("pictures", async ({ page, api }) => {
  const shop = await furnish(page, api);
  await take(page, "console-dashboard", shop.address, () =>
    page.getByRole("region", { name: "Quota" }).getByRole("meter").first(),
  );
  await take(page, "console-machines", `${shop.address}/vms`, () => page.getByRole("link", { name: "web-1" }));
  await take(page, "console-topology", `${shop.address}/topology`, () =>
    page.getByRole("link", { name: /web-1/ }).first(),
  );
  await machine(page, api, shop);
  await wizard(page, shop);
  await jobs(page, api, shop);
  await take(page, "console-fleet", "/console/ops/fleet", () => page.getByRole("link", { name: /^host-1/ }).first());
  await take(page, "console-platform", "/console/ops", () => page.getByText(/^All \d+ answer/));
  await page.emulateMedia({ colorScheme: "dark" });
  await take(page, "console-platform-dark", "/console/ops", () => page.getByText(/^All \d+ answer/));
  await take(page, "console-dashboard-dark", shop.address, () =>
    page.getByRole("region", { name: "Quota" }).getByRole("meter").first(),
  );
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 390, height: 780 });
  await take(page, "console-phone", shop.address, () => page.getByRole("list", { name: "At a glance" }));
});

async function furnish(page: Page, api: Api): Promise<Shop> {
  const organization = await api.post("/api/common/v1/organizations", { name: "acme" });
  const { id } = await api.post(`/api/common/v1/organizations/${organization.id}/projects`, { name: "shop" });
  const shop = { path: `/api/tenant/v1/projects/${id}`, address: `/console/p/${id}` };
  await enter(page, `${shop.address}/images/create`);
  await upload(page, disk("debian-12.raw"));
  await expect(page.getByText("Active").first()).toBeVisible();
  for (const [name, cidr] of [
    ["front", "10.0.0.0/24"],
    ["back", "10.0.1.0/24"],
  ] as const) {
    await api.post(`${shop.path}/networks`, { name, spec: {} });
    await api.post(`${shop.path}/subnets`, { name: `${name}-range`, spec: { network: name, cidr } });
  }
  await api.post(`${shop.path}/ssh-keys`, { name: "ada", spec: { public_key: KEY } });
  const web = { direction: "ingress", protocol: "tcp", port_min: 443 };
  await api.post(`${shop.path}/security-groups`, { name: "web", spec: { rules: [web] } });
  for (const [name, networks, vcpus] of [
    ["web-1", ["front", "back"], 2],
    ["web-2", ["front", "back"], 2],
    ["database", ["back"], 4],
    ["queue", ["back"], 1],
  ] as const) {
    await api.post(`${shop.path}/vms`, {
      name,
      labels: { env: "prod", tier: name.replace(/-\d/, "") },
      spec: {
        vcpus,
        memory_mib: vcpus * 2048,
        root_volume: { image: "debian-12", size_gib: 20 },
        nics: networks.map((network) => ({ network, security_groups: network === "front" ? ["web"] : [] })),
        ssh_keys: ["ada"],
      },
    });
  }
  await expect.poll(() => running(api, shop), { timeout: 30_000 }).toBe(4);
  return shop;
}

async function running(api: Api, { path }: Shop): Promise<number> {
  return (await api.get<{ items: unknown[] }>(`${path}/vms?status=active`)).items.length;
}

async function machine(page: Page, api: Api, shop: Shop): Promise<void> {
  const { id } = await api.get(`${shop.path}/vms/web-1`);
  const address = `${shop.address}/vms/${id}`;
  await take(page, "console-machine", `${address}?tab=machine`, () => page.getByText("Running").first());
  await take(page, "console-log", `${address}?tab=console`, () => page.getByRole("log").getByText("web-1").first());
}

/** The review: what would be made, its steps, and the quota. */
async function wizard(page: Page, shop: Shop): Promise<void> {
  await page.goto(`${shop.address}/vms/create`);
  await page.getByLabel("Name", { exact: true }).fill("reports");
  await page.getByRole("radio", { name: "debian-12" }).check();
  await nextStep(page);
  await page.getByRole("radio", { name: "Medium" }).check();
  await nextStep(page);
  await page.getByLabel("Size of the disk (GiB)").fill("40");
  await nextStep(page);
  await page.getByRole("button", { name: "Network Choose network" }).click();
  await page.getByRole("option", { name: "back" }).click();
  await nextStep(page);
  await nextStep(page);
  await expect(page.getByText(/^Will be made/)).toBeVisible();
  await shoot(page, "console-wizard");
}

/** One job that was tried again before it ended, and drift on its way. */
async function jobs(page: Page, api: Api, shop: Shop): Promise<void> {
  order({ kind: "volume", fault_class: "transient", code: "pool_busy", message: "The pool is busy." });
  await api.post(`${shop.path}/volumes`, { name: "archive", spec: { size_gib: 40 } });
  interface Job {
    id: string;
    state: string;
  }
  const last = async () => (await api.get<{ items: Job[] }>(`${shop.path}/jobs?kind=volume&limit=1`)).items[0];
  await expect.poll(async () => (await last())?.state, { timeout: 60_000 }).toBe("SUCCEEDED");
  await take(page, "console-job", `${shop.address}/jobs/${(await last())?.id ?? ""}`, () =>
    page.getByText("pool_busy").first(),
  );
  const { id } = await api.get(`${shop.path}/volumes/archive`);
  lose("volume", id);
  await take(
    page,
    "console-drift",
    `${shop.address}/drift?open_only=`,
    () => page.getByText("archive").first(),
    60_000,
  );
}

async function take(
  page: Page,
  name: string,
  address: string,
  until: () => ReturnType<Page["getByText"]>,
  patience = 20_000,
): Promise<void> {
  await page.goto(address);
  await expect(until()).toBeVisible({ timeout: patience });
  await shoot(page, name);
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.waitForTimeout(800); // what moves has come to rest
  await page.screenshot({ path: join(FOLDER, `${name}.png`), animations: "disabled" });
}
