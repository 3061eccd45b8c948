/** The generic pages: any kind is listed, made, looked at, changed and deleted by what the API says of it. */

import { enter, expect, expectAccessible, test } from "./house";

test("a volume is made with a preview, looked at, changed and deleted", async ({ page, project }) => {
  await enter(page, `${project.address}/volumes`);
  await expect(page.getByText("No volumes yet")).toBeVisible();
  await expectAccessible(page);

  await page.getByRole("link", { name: "Create volume" }).first().click();
  await page.getByRole("button", { name: "Create volume" }).click();
  await expect(page.getByText("A name is needed.")).toBeVisible();
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("data");
  await page.getByLabel("Size (GiB)").fill("0");
  await page.getByRole("button", { name: "Create volume" }).click();
  await expect(page.getByText("The least is 1.")).toBeVisible(); // the API's own sentence, at the field
  await page.getByLabel("Size (GiB)").fill("5");
  await page.getByRole("button", { name: "Add label" }).click();
  await page.getByLabel("Key of label 1").fill("env");
  await page.getByLabel("Value of label 1").fill("prod");
  await page.getByRole("button", { name: "Preview" }).click();
  await expect(page.getByText("Will be made (1)")).toBeVisible();
  await expectAccessible(page);
  await page.getByRole("button", { name: "Create volume" }).click();

  await expect(page.getByRole("heading", { name: "data", exact: true })).toBeVisible();
  await expect(page.getByText("Create volume data: done.")).toBeVisible();
  await expect(page.getByText("5 GiB").first()).toBeVisible();
  await expect(page.getByText("env=prod")).toBeVisible();
  await expectAccessible(page);
  for (const tab of ["Uses and used by", "Jobs", "History", "Why?", "API and command line"]) {
    await page.getByRole("tab", { name: tab }).click();
    await expect(page.getByRole("tabpanel", { name: tab }).getByRole("heading").first()).toBeVisible();
    await expectAccessible(page);
  }
  await expect(page.getByText("gp volume show data")).toBeVisible();

  await page.getByRole("link", { name: "Edit" }).click();
  await page.getByLabel("Size (GiB)").fill("8");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("8 GiB").first()).toBeVisible();

  await page.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("It goes, and nothing else with it.")).toBeVisible();
  await expectAccessible(page);
  await dialog.getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("No volumes yet")).toBeVisible();
});

test("what is in use tells by what, and cannot be deleted", async ({ page, api, project }) => {
  await api.post(`${project.path}/networks`, { name: "lan", spec: {} });
  await expect
    .poll(() => api.get<{ status: string }>(`${project.path}/networks/lan`).then(({ status }) => status))
    .toBe("active");
  await api.post(`${project.path}/subnets`, { name: "range", spec: { network: "lan", cidr: "10.0.0.0/24" } });
  await enter(page, `${project.address}/networks/lan?tab=links`);
  await expect(page.getByRole("table", { name: "Used by" }).getByRole("link", { name: "range" })).toBeVisible();
  await page.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog");
  await expect(dialog.getByText("lan is used by subnet range.")).toBeVisible();
  await expect(dialog.getByRole("link", { name: "range" })).toBeVisible();
  await expect(dialog.getByRole("button", { name: "Delete" })).toBeDisabled();
  await expectAccessible(page);
});

test("a subnet finds its network by name, and shows it as a link", async ({ page, api, project }) => {
  await api.post(`${project.path}/networks`, { name: "lan", spec: {} });
  await enter(page, `${project.address}/subnets/create`);
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("range");
  await page.getByRole("button", { name: "Network Choose network" }).click();
  await page.getByPlaceholder("Beginning of the name").fill("la");
  await page.getByRole("option", { name: "lan" }).click();
  await page.getByLabel("CIDR").fill("10.1.0.0/24");
  await page.getByRole("button", { name: "Add DNS server" }).click();
  await page.getByLabel("DNS server 1", { exact: true }).fill("9.9.9.9");
  await page.getByRole("button", { name: "Create subnet" }).click();
  await expect(page.getByRole("heading", { name: "range", exact: true })).toBeVisible();
  await expect(page.getByRole("link", { name: "lan", exact: true })).toBeVisible();
  await expect(page.getByText("9.9.9.9")).toBeVisible();
});

test("lists of things are filled in, and what is wrong within is said there", async ({ page, project }) => {
  await enter(page, `${project.address}/security-groups/create`);
  await page.getByRole("textbox", { name: "Name", exact: true }).fill("web");
  await page.getByRole("button", { name: "Add rule" }).click();
  const rule = page.getByRole("group", { name: "Rule 1" });
  await page.getByRole("button", { name: "Create security group" }).click();
  await expect(rule.getByText("Direction is needed.")).toBeVisible();
  await rule.getByRole("button", { name: "Direction" }).click();
  await page.getByRole("option", { name: "Ingress" }).click();
  await rule.getByRole("button", { name: "Protocol" }).click();
  await page.getByRole("option", { name: "Tcp" }).click();
  await rule.getByLabel("Port min").fill("70000");
  await page.getByRole("button", { name: "Create security group" }).click();
  await expect(rule.getByText("The most is 65535.")).toBeVisible();
  await expectAccessible(page);
  await rule.getByLabel("Port min").fill("22");
  await page.getByRole("button", { name: "Create security group" }).click();
  await expect(page.getByRole("heading", { name: "web", exact: true })).toBeVisible();
  await expect(page.getByRole("table", { name: "Rules" }).getByText("22")).toBeVisible();
});

test("a table filters, sorts and pages at the server, by the address", async ({ page, api, project }) => {
  for (let index = 0; index < 25; index++) {
    const labels = index % 2 ? { env: "prod" } : {};
    await api.post(`${project.path}/secrets`, {
      name: `key-${String(index).padStart(2, "0")}`,
      labels,
      spec: { value: "x" },
    });
  }
  await page.addInitScript(() => localStorage.setItem("groundplane.table.secret", JSON.stringify({ pageSize: 20 })));
  await enter(page, `${project.address}/secrets?sort=name`);
  const rows = page.getByRole("grid", { name: "Secrets" }).getByRole("link");
  await expect(rows).toHaveCount(20);
  await expect(rows.first()).toHaveText("key-00");
  await page.getByRole("button", { name: "Next page" }).click();
  await expect(rows).toHaveCount(5);
  await expect(rows.first()).toHaveText("key-20");
  await page.goBack();
  await expect(rows.first()).toHaveText("key-00");
  await page.getByRole("columnheader", { name: "Name" }).getByRole("button").first().focus();
  await page.keyboard.press("Enter");
  await expect(rows.first()).toHaveText("key-24");
  expect(page.url()).toContain("sort=-name");
  await page.getByRole("combobox", { name: "Filter secrets" }).fill("env=prod");
  await page.keyboard.press("Enter");
  await expect(rows).toHaveCount(12);
  expect(page.url()).toContain("label=env%3Dprod");
  await expectAccessible(page);
  await page.reload();
  await expect(rows).toHaveCount(12);
});

test("many are deleted at once, and each tells how it went", async ({ page, api, project }) => {
  for (const name of ["one", "two", "three"]) await api.post(`${project.path}/secrets`, { name, spec: { value: "x" } });
  await enter(page, `${project.address}/secrets`);
  for (const name of ["one", "two", "three"]) await page.getByRole("checkbox", { name: `Choose ${name}` }).check();
  await page.getByRole("button", { name: "Actions" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: "Delete 3" }).click();
  await expect(dialog.getByText("Done")).toHaveCount(3);
  await dialog.getByRole("button", { name: "Close" }).last().click();
  await expect(page.getByText("No secrets yet")).toBeVisible();
});

test("what others change is seen in under a second", async ({ page, api, project }) => {
  await enter(page, `${project.address}/secrets`);
  await expect(page.getByRole("img", { name: "Shows changes as they happen" })).toBeVisible();
  await api.post(`${project.path}/secrets`, { name: "fresh", spec: { value: "x" } });
  await expect(page.getByRole("link", { name: "fresh" })).toBeVisible({ timeout: 1_000 });
});

test("what is nowhere says so", async ({ page, project }) => {
  await enter(page, `${project.address}/unicorns`);
  await expect(page.getByRole("heading", { name: "There is no such page" })).toBeVisible();
  await page.goto(`${project.address}/volumes/nothing`);
  await expect(page.getByText("There is no volume 'nothing' here.")).toBeVisible();
  await expectAccessible(page);
});

test("a phone shows all of it without scrolling aside", async ({ page, api, project }) => {
  await api.post(`${project.path}/secrets`, { name: "one", spec: { value: "x" } });
  await page.setViewportSize({ width: 390, height: 844 });
  await enter(page, `${project.address}/secrets`);
  for (const address of ["/secrets", "/secrets/one", "/secrets/create"]) {
    await page.goto(project.address + address);
    await expect(page.getByRole("heading", { level: 1 }).first()).toBeVisible();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await expectAccessible(page);
  }
});

test("by keyboard alone: to the table, into a row, and back", async ({ page, api, project }) => {
  await api.post(`${project.path}/secrets`, { name: "one", spec: { value: "x" } });
  await enter(page, `${project.address}/secrets`);
  await expect(page.getByRole("link", { name: "one" })).toBeVisible();
  await page.keyboard.press("/");
  await expect(page.getByRole("combobox", { name: "Search" })).toBeFocused();
  await page.getByRole("link", { name: "one" }).focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("heading", { name: "one", exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Actions" }).focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Escape");
  await page.goBack();
  await expect(page.getByRole("heading", { name: "Secrets" })).toBeVisible();
});
