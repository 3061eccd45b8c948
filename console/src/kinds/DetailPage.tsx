/** Everything about one resource of any kind, in tabs; which one is open stands in the address. */

import Button from "@cloudscape-design/components/button";
import ContentLayout from "@cloudscape-design/components/content-layout";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Tabs, { type TabsProps } from "@cloudscape-design/components/tabs";
import { Suspense, lazy } from "react";
import { useNavigate, useParams, useSearchParams } from "react-router";

import { type Resource, kindPath } from "../api/catalog";
import { problemIn } from "../api/problem";
import { Splash } from "../login/Entrance";
import { panels } from "../pages";
import { Refusal } from "../parts/Refusal";
import { Status } from "../parts/Status";
import NotFound from "../shell/NotFound";
import { useHeading } from "../shell/heading";
import { ActionsMenu } from "./ActionsMenu";
import { Overview } from "./detail/Overview";
import { useItem } from "./item";
import { type Here, useHere } from "./useKind";

const Links = lazy(() => import("./detail/Links"));
const Jobs = lazy(() => import("./detail/Jobs"));
const History = lazy(() => import("./detail/History"));
const Why = lazy(() => import("./detail/Why"));
const Elsewhere = lazy(() => import("./detail/Elsewhere"));
const handMade = panels.map((panel) => ({ ...panel, Content: lazy(panel.load) }));

export default function DetailPage() {
  const here = useHere();
  const { reference = "" } = useParams();
  return here ? <Detail key={reference} {...here} reference={reference} /> : <NotFound />;
}

function Detail({ reference, ...here }: Here & { reference: string }) {
  const { kind, place } = here;
  const query = useItem(kind, place, reference);
  const item = query.data;
  useHeading({
    title: item?.name ?? reference,
    trail: [{ text: kind.title_plural, href: kindPath(kind, place) }],
  });
  if (item) return <Shown here={here} item={item} isGone={problemIn(query.error).status === 404} />;
  return query.error ? <Refusal error={query.error} onRetry={() => void query.refetch()} /> : <Splash />;
}

function Shown({ here, item, isGone }: { here: Here; item: Resource; isGone: boolean }) {
  const { kind, place, can } = here;
  const navigate = useNavigate();
  const status = isGone ? "deleted" : item.status;
  return (
    <ContentLayout
      header={
        <Header
          variant="h1"
          description={kind.title}
          info={<Status value={status} />}
          actions={
            !isGone && (
              <SpaceBetween direction="horizontal" size="xs">
                {can("update") && <Button href={kindPath(kind, place, item.id, "edit")}>Edit</Button>}
                <ActionsMenu
                  kind={kind}
                  place={place}
                  items={[item]}
                  can={(verb) => verb !== "update" && can(verb)}
                  onDeleted={() => void navigate(kindPath(kind, place))}
                />
              </SpaceBetween>
            )
          }
        >
          {item.name}
        </Header>
      }
    >
      <DetailTabs here={here} item={item} />
    </ContentLayout>
  );
}

function DetailTabs({ here, item }: { here: Here; item: Resource }) {
  const [search, setSearch] = useSearchParams();
  const tabs = tabsOf(here, item);
  const asked = search.get("tab") ?? "";
  const active = tabs.some((tab) => tab.id === asked) ? asked : "overview";
  return (
    <Tabs
      ariaLabel={`About ${item.name}`}
      tabs={tabs}
      activeTabId={active}
      onChange={({ detail }) => setSearch(detail.activeTabId === "overview" ? {} : { tab: detail.activeTabId })}
    />
  );
}

function tabsOf({ kind, place, may }: Here, item: Resource): TabsProps.Tab[] {
  const common = { kind, place, item };
  const own = handMade.filter((panel) => panel.kind === kind.name && (!panel.permission || may(panel.permission)));
  const mayJobs = place.scope !== "organization" && may("jobs.job.list");
  const tab = (id: string, label: string, content: TabsProps.Tab["content"]) => ({
    id,
    label,
    content: <Suspense fallback={<Splash />}>{content}</Suspense>,
  });
  return [
    tab("overview", "Overview", <Overview {...common} />),
    ...own.map(({ id, title, Content }) => tab(id, title, <Content resource={item} />)),
    tab("links", "Uses and used by", <Links {...common} />),
    ...(mayJobs ? [tab("jobs", "Jobs", <Jobs {...common} />)] : []),
    tab("history", "History", <History {...common} />),
    tab("why", "Why?", <Why {...common} />),
    tab("api", "API and command line", <Elsewhere {...common} />),
  ];
}
