/** What is around every page: top bar, side navigation of the place, notices, the way to the page. */

import AppLayout from "@cloudscape-design/components/app-layout";
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import { I18nProvider } from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import SideNavigation from "@cloudscape-design/components/side-navigation";
import { Suspense, useEffect, useState } from "react";
import { Outlet, useLocation } from "react-router";

import { useCatalog } from "../api/catalog";
import { useLiveUpdates } from "../api/live";
import { type Reach, useReach, usePermissions } from "../api/me";
import { type Place, placeAt, placePath } from "../api/place";
import { Splash } from "../login/Entrance";
import { pages } from "../pages";
import { Flashes } from "./Flashes";
import { TopBar } from "./TopBar";
import { type Crumb, useCurrentHeading } from "./heading";
import { useInternalLinks } from "./links";
import { activeHref, navigationOf } from "./navigation";
import { PlaceSwitcher, usePlaceName, useShownPlace } from "./PlaceSwitcher";

export function Shell() {
  return (
    <I18nProvider locale="en" messages={[messages]}>
      <Suspense fallback={<Splash />}>
        <Frame />
      </Suspense>
    </I18nProvider>
  );
}

function Frame() {
  const place = useShownPlace();
  useInternalLinks();
  useLiveUpdates(place);
  useAllowedAttributes();
  const isWide = matchMedia("(min-width: 1100px)").matches;
  const [isOpen, setOpen] = useState(isWide);
  return (
    <>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <TopBar place={place} />
      <AppLayout
        headerSelector="#top"
        toolsHide
        navigation={<Navigation place={place} onFollow={() => !isWide && setOpen(false)} />}
        navigationOpen={isOpen}
        onNavigationChange={({ detail }) => setOpen(detail.open)}
        breadcrumbs={<Breadcrumbs place={place} />}
        notifications={<Flashes />}
        content={
          <div id="content" tabIndex={-1}>
            <Suspense fallback={<Splash />}>
              <Outlet />
            </Suspense>
          </div>
        }
      />
      <Announcement />
    </>
  );
}

function Navigation({ place, onFollow }: { place: Place; onFollow: () => void }) {
  const catalog = useCatalog();
  const may = usePermissions(place);
  const { pathname } = useLocation();
  const items = navigationOf(place, catalog, pages, may);
  return (
    <SideNavigation
      header={headerOf(place, useReach().data)}
      itemsControl={<PlaceSwitcher place={place} />}
      items={items}
      activeHref={activeHref(items, pathname, place)}
      onFollow={onFollow}
    />
  );
}

/** On narrow screens AppLayout gives its `nav` an attribute that only other roles have (ARIA 1.2), and screen readers stumble. */
function useAllowedAttributes(): void {
  useEffect(() => {
    for (const nav of document.querySelectorAll("nav[aria-orientation]")) nav.removeAttribute("aria-orientation");
  });
}

/** What the place is part of. */
function headerOf(place: Place, reach: Reach | undefined): { text: string; href: string } {
  const project = place.scope === "project" ? reach?.projects.find(({ id }) => id === place.id) : undefined;
  if (!project)
    return { text: place.scope === "organization" ? "Organization" : "Groundplane", href: placePath(place) };
  return { text: project.organization_name, href: placePath({ scope: "organization", id: project.organization_id }) };
}

function Breadcrumbs({ place }: { place: Place }) {
  const { title, trail = [] } = useCurrentHeading();
  const name = usePlaceName(place, useReach().data);
  const { pathname } = useLocation();
  const here: Crumb = { text: title, href: "#" };
  if (!placeAt(pathname)) return <BreadcrumbGroup items={[...trail, here]} />;
  const all = [{ text: name, href: placePath(place) }, ...trail, here];
  return <BreadcrumbGroup items={title === "Overview" ? all.slice(0, 1) : all} />;
}

/** Tells who hears the page that it is another one. */
function Announcement() {
  const { title } = useCurrentHeading();
  return (
    <div className="unseen" aria-live="polite">
      {title}
    </div>
  );
}
