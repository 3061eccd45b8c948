/** Every page that the side navigation leads to, in each place: shown without a fault, and accessible in both themes. */

import { enter, expect, expectAccessible, test } from "./house";

test("every page of every place is accessible", async ({ page, api, project }) => {
  test.setTimeout(300_000);
  const { organization_id: organization } = await api.get<{ organization_id: string }>(`${project.path}/quota`);
  const places = [project.address, `/console/o/${organization}`, "/console/ops"];
  await enter(page, project.address);
  let seen = 0;
  for (const place of places) {
    await page.goto(place);
    const links = page.locator("nav a[href]");
    await expect(links.first()).toBeVisible();
    const addresses = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href") ?? ""));
    for (const address of new Set(addresses.filter((each) => each.startsWith(place)))) {
      await page.goto(address);
      await expect(page.locator("#content").getByRole("heading").first()).toBeVisible();
      await expect(page.locator("#content [aria-busy=true]")).toHaveCount(0);
      await expectAccessible(page);
      seen += 1;
    }
  }
  expect(seen).toBeGreaterThan(30);
});
