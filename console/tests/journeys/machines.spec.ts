/** Machines, from nothing: an image by upload, a network and a key on the way, the wizard, the console log, and away again. */

import type { Page } from "@playwright/test";

import { type Api, KEY, type Project, disk, enter, expect, expectAccessible, nextStep, test, upload } from "./house";

test("from an empty project to a running machine, its console log, and back", async ({ page, project }) => {
  await enter(page, `${project.address}/images/create`);
  await page.locator("input[type=file]").setInputFiles(disk("Tiny Disk.raw"));
  await expect(page.getByLabel("Name", { exact: true })).toHaveValue("tiny-disk");
  await expectAccessible(page);
  await page.getByRole("button", { name: "Upload image" }).click();
  await expect(page.getByRole("heading", { name: "tiny-disk", exact: true })).toBeVisible();

  await page.goto(`${project.address}/vms`);
  await page.getByRole("link", { name: "Create virtual machine" }).first().click();
  await nextStep(page);
  await expect(page.getByText("A name is needed.")).toBeVisible();
  await expect(page.getByText("Choose an image.")).toBeVisible();
  await page.getByLabel("Name", { exact: true }).fill("web");
  await page.getByRole("radio", { name: "tiny-disk" }).check();
  await expectAccessible(page);
  await nextStep(page);

  await page.getByRole("radio", { name: "Medium" }).check();
  await expectAccessible(page);
  await nextStep(page);

  await page.getByLabel("Size of the disk (GiB)").fill("4");
  await expectAccessible(page);
  await nextStep(page);

  await page.getByRole("button", { name: "New network" }).click();
  const network = page.getByRole("dialog");
  await network.getByLabel("Name").fill("lan");
  await network.getByLabel("Addresses").fill("10.0.0.1/99");
  await network.getByRole("button", { name: "Create" }).click();
  await expect(network.getByText("An IPv4 range is needed here")).toBeVisible(); // the API's own sentence, at the field
  await network.getByLabel("Addresses").fill("10.0.0.0/24");
  await expectAccessible(page);
  await network.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("button", { name: "Network lan" })).toBeVisible();
  await expectAccessible(page);
  await nextStep(page);

  await page.getByRole("button", { name: "New SSH key" }).click();
  const key = page.getByRole("dialog");
  await key.getByLabel("Name").fill("ann");
  await key.getByLabel("Public key").fill(KEY);
  await key.getByRole("button", { name: "Create" }).click();
  await expect(page.getByText("ann", { exact: true }).first()).toBeVisible();
  await page.getByLabel("User data").fill("#cloud-config");
  await expectAccessible(page);
  await nextStep(page);

  await expect(page.getByText("Will be made (3)")).toBeVisible(); // the machine, its disk, its port
  await expect(page.getByText("vm.create: create → done")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Create virtual machine" }).click();

  await expect(page.getByRole("heading", { name: "web", exact: true })).toBeVisible();
  await page.getByRole("tab", { name: "Machine" }).click();
  const panel = page.getByRole("tabpanel", { name: "Machine" });
  await expect(panel.getByText("Running").first()).toBeVisible();
  await expect(panel.getByText("2 vCPUs, 4 GiB")).toBeVisible();
  await expect(panel.getByRole("link", { name: "web-root" })).toBeVisible();
  await expect(panel.getByText(/^10\.0\.0\.\d+$/)).toBeVisible();
  await expectAccessible(page);

  await page.getByRole("tab", { name: "Console log" }).click();
  const log = page.getByRole("log");
  await expect(log).toContainText("host name web, 1 keys");
  await expect(log).not.toContainText("boot 2");
  await page.getByRole("tab", { name: "Machine" }).click();
  await panel.getByRole("button", { name: "Reboot" }).click();
  await expect(panel.getByText("1 times")).toBeVisible();
  await page.getByRole("tab", { name: "Console log" }).click();
  await expect(log).toContainText("boot 2");
  await page.getByRole("searchbox", { name: "Find in the log" }).fill("LOGIN");
  await expect(page.getByText("1 of 2").first()).toBeVisible();
  await page.getByRole("button", { name: "The next match" }).click();
  await expect(page.getByText("2 of 2").first()).toBeVisible();
  await expectAccessible(page);

  await page.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("No virtual machines yet")).toBeVisible();
});

test("what is refused is said at its step, and many are made by one request", async ({ page, api, project }) => {
  await furnish(api, project, page);
  await page.goto(`${project.address}/vms/create`);
  await page.getByLabel("Name", { exact: true }).fill("Web_1");
  await page.getByLabel("How many").fill("5");
  await page.getByRole("radio", { name: "tiny" }).check();
  await toReview(page);
  await expect(page.getByText("Nothing: it would be refused.")).toBeVisible();
  await page.getByRole("button", { name: "Go to where it can be mended" }).click();
  await expect(page.getByRole("heading", { name: "Image", exact: true, level: 1 })).toBeVisible();
  await page.getByLabel("Name", { exact: true }).fill("web");
  await toReview(page);
  await expect(page.getByText("Will be made (10)")).toBeVisible();
  await page.getByRole("button", { name: "Create 5 machines" }).click();

  await expect(page.getByRole("heading", { name: "Many at once" })).toBeVisible();
  await expect(page.getByText("All 5 succeeded").first()).toBeVisible();
  await expect(page.getByRole("table", { name: "Its jobs" }).getByRole("link", { name: "web-5" })).toBeVisible();
  await expectAccessible(page);
});

test("the topology shows what hangs together, as a picture and in words", async ({ page, api, project }) => {
  await furnish(api, project, page);
  await page.goto(`${project.address}/topology`);
  const picture = page.getByRole("group", { name: "Picture of what uses what" });
  await expect(picture.getByRole("link", { name: "subnet lan-a, active" })).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Table" }).click();
  const row = page.getByRole("table", { name: "What uses what" }).getByRole("row", { name: /^lan-a/ });
  await expect(row.getByRole("link", { name: "lan", exact: true })).toBeVisible();
  await expectAccessible(page);
  expect(page.url()).toContain("as=table");
  await page.getByRole("button", { name: "Picture" }).click();
  await picture.getByRole("link", { name: "subnet lan-a, active" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "lan-a", exact: true })).toBeVisible();
});

/** Past size, disks, network and access, as they are preset. */
async function toReview(page: Page): Promise<void> {
  for (let step = 1; step <= 5; step++) await nextStep(page);
}

/** An image and a network with a range. */
async function furnish(api: Api, project: Project, page: Page): Promise<void> {
  await api.post(`${project.path}/networks`, { name: "lan", spec: {} });
  await api.post(`${project.path}/subnets`, { name: "lan-a", spec: { network: "lan", cidr: "10.0.0.0/24" } });
  await enter(page, `${project.address}/images/create`);
  await upload(page, disk("tiny.raw"));
  await expect(page.getByRole("heading", { name: "tiny", exact: true })).toBeVisible();
}
