/** A machine on real engines, from the upload of its disk to its own words on the console, by browser alone. */

import { basename } from "node:path";

import { enter, expect, nextStep, test, upload } from "../journeys/house";

const IMAGE = process.env["IMAGE"] ?? "tiny.qcow2";
/** What an emulated processor needs to boot a guest, with patience. */
const BOOT_MS = 150_000;

test("a disk is uploaded, a machine boots from it and says so, and all is taken away again", async ({
  page,
  project,
}) => {
  await enter(page, `${project.address}/images/create`);
  await upload(page, IMAGE);
  const image = basename(IMAGE).replace(/\..*/, "");
  await expect(page.getByRole("heading", { name: image, exact: true })).toBeVisible();

  await page.goto(`${project.address}/vms/create`);
  await page.getByLabel("Name", { exact: true }).fill("web");
  await page.getByRole("radio", { name: image }).check();
  await nextStep(page);
  await page.getByRole("radio", { name: "Tiny" }).check();
  await nextStep(page);
  await page.getByLabel("Size of the disk (GiB)").fill("1");
  await nextStep(page);
  await page.getByRole("button", { name: "New network" }).click();
  const network = page.getByRole("dialog");
  await network.getByLabel("Name").fill("lan");
  await network.getByLabel("Addresses").fill("10.77.0.0/24");
  await network.getByRole("button", { name: "Create" }).click();
  await expect(page.getByRole("button", { name: "Network lan" })).toBeVisible();
  await nextStep(page);
  await nextStep(page);
  await expect(page.getByText("Will be made (3)")).toBeVisible();
  await page.getByRole("button", { name: "Create virtual machine" }).click();

  await expect(page.getByRole("heading", { name: "web", exact: true })).toBeVisible();
  await page.getByRole("tab", { name: "Machine" }).click();
  await expect(page.getByRole("tabpanel", { name: "Machine" }).getByText("Running").first()).toBeVisible({
    timeout: 60_000,
  });
  await page.getByRole("tab", { name: "Console log" }).click();
  const log = page.getByRole("log");
  await expect(log).toContainText("tiny: hostname web", { timeout: BOOT_MS });
  await expect(log).toContainText("tiny: eth0 address 10.77.0.", { timeout: BOOT_MS });

  await page.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("No virtual machines yet")).toBeVisible({ timeout: 60_000 });
});
