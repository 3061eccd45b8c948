/** The side navigation of a place: its kinds by service, from the catalog, and the hand-made pages from the page table. */

import type { SideNavigationProps } from "@cloudscape-design/components/side-navigation";
import { generatePath } from "react-router";

import { type Catalog, type Kind, kindPath } from "../api/catalog";
import type { May } from "../api/me";
import { type Place, placePath } from "../api/place";
import type { Page } from "../pages";

/** What people come for stands first among its service's kinds; the others as the alphabet has them. */
const FIRST = new Set(["vm", "organization", "cluster", "network"]);
const SECTIONS = ["", "Compute", "Storage", "Network", "Secrets", "Fleet", "Identity"];

export function navigationOf(place: Place, catalog: Catalog, pages: Page[], may: May): SideNavigationProps.Item[] {
  const sections = new Map<string, SideNavigationProps.Link[]>(SECTIONS.map((name) => [name, []]));
  const add = (section: string, link: SideNavigationProps.Link) => {
    sections.set(section, [...(sections.get(section) ?? []), link]);
  };
  for (const page of pages) {
    if (!page.navigation || !isOf(page, place)) continue;
    const { section, text, permission } = page.navigation;
    if (permission === undefined || may(permission)) add(section, { type: "link", text, href: addressOf(page, place) });
  }
  for (const kind of kindsOf(place, catalog)) {
    if (!may(kind.permissions["list"])) continue;
    add(sectionOf(kind), { type: "link", text: kind.title_plural, href: kindPath(kind, place) });
  }
  return [...sections].flatMap(([name, links]): SideNavigationProps.Item[] => {
    if (!links.length) return [];
    return name ? [{ type: "section", text: name, items: unique(links) }] : links;
  });
}

/** A hand-made page at a kind's own address stands in for its generic one. */
function unique(links: SideNavigationProps.Link[]): SideNavigationProps.Link[] {
  return links.filter((link, index) => links.findIndex((other) => other.href === link.href) === index);
}

function kindsOf(place: Place, catalog: Catalog): Kind[] {
  const rank = (kind: Kind) => (FIRST.has(kind.name) ? 0 : 1);
  return catalog.kinds
    .filter((kind) => kind.scope === place.scope)
    .sort((one, other) => rank(one) - rank(other) || one.title_plural.localeCompare(other.title_plural));
}

function sectionOf(kind: Kind): string {
  return kind.service.charAt(0).toUpperCase() + kind.service.slice(1);
}

const PREFIXES: Record<Place["scope"], string> = {
  project: "p/:project",
  organization: "o/:organization",
  platform: "ops",
};

function isOf({ path }: Page, { scope }: Place): boolean {
  return path === PREFIXES[scope] || path.startsWith(`${PREFIXES[scope]}/`);
}

function addressOf({ path }: Page, { id }: Place): string {
  return `/console/${generatePath(path, { project: id, organization: id })}`;
}

/** Which entry is lit: the longest that the address begins with. */
export function activeHref(items: SideNavigationProps.Item[], pathname: string, place: Place): string {
  const hrefs = items.flatMap((item) =>
    item.type === "link" ? [item.href] : item.type === "section" ? linksIn(item) : [],
  );
  const own = hrefs.filter(
    (href) => pathname === href || (href !== placePath(place) && pathname.startsWith(`${href}/`)),
  );
  return own.sort((one, other) => other.length - one.length)[0] ?? "";
}

function linksIn(section: SideNavigationProps.Section): string[] {
  return section.items.flatMap((item) => (item.type === "link" ? [item.href] : []));
}
