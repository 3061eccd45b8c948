/** The table of any kind. Filter, order and page are the API's own, and stand in the address. */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import CollectionPreferences from "@cloudscape-design/components/collection-preferences";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";
import { useState } from "react";
import { useSearchParams } from "react-router";

import { type Kind, type Resource, apiPath, kindPath } from "../api/catalog";
import { queryText } from "../api/call";
import { useIsLive } from "../api/live";
import type { Place } from "../api/place";
import { Refusal } from "../parts/Refusal";
import NotFound from "../shell/NotFound";
import { useHeading } from "../shell/heading";
import { ActionsMenu } from "./ActionsMenu";
import { Recipe } from "./Recipe";
import { TableFilter } from "./TableFilter";
import { type Column, columnsOf } from "./columns";
import { type Sort, type View, filterQuery, searchOf, viewOf } from "./filters";
import { useList } from "./list";
import { cursorOf, pagingOf, walked } from "./paging";
import { usePreferences } from "./preferences";
import { listLine } from "./recipes";
import { equal } from "./schema";
import { type Here, isMadeHere, useHere } from "./useKind";
import { inSentence } from "../parts/words";

export default function TablePage() {
  const here = useHere();
  return here ? <KindTable key={`${here.place.id}/${here.kind.name}`} {...here} /> : <NotFound />;
}

function KindTable({ kind, place, can }: Here) {
  useHeading({ title: kind.title_plural });
  const [search, setSearch] = useSearchParams();
  const view = viewOf(search);
  const show = (next: View) => setSearch(searchOf(next), { replace: next.cursor === view.cursor });
  const columns = columnsOf(kind, place);
  const [preferences, setPreferences] = usePreferences(kind.name, columns);
  const list = useList(kind, place, view, preferences.pageSize);
  const trail = useTrail(view, list.isPlaceholderData ? undefined : list.data?.next);
  const [selected, setSelected] = useState<Resource[]>([]);
  const items = list.data?.items ?? [];
  const chosen = items.filter((item) => selected.some((each) => each.id === item.id));
  const isFiltered = view.tokens.length > 0;
  const paging = pagingOf(trail, view.cursor, list.data?.next);
  return (
    <Table
      variant="full-page"
      stickyHeader
      resizableColumns
      enableKeyboardNavigation
      trackBy="id"
      items={items}
      columnDefinitions={columns}
      columnDisplay={preferences.contentDisplay}
      wrapLines={preferences.wrapLines}
      stripedRows={preferences.stripedRows}
      contentDensity={preferences.contentDensity}
      loading={list.isPending}
      loadingText={`Loading ${inSentence(kind.title_plural)}`}
      selectionType="multi"
      selectedItems={chosen}
      onSelectionChange={({ detail }) => setSelected(detail.selectedItems)}
      sortingColumn={{ sortingField: view.sort.replace("-", "") }}
      sortingDescending={view.sort.startsWith("-")}
      onSortingChange={({ detail }) =>
        show({
          ...view,
          cursor: "",
          sort: `${detail.isDescending ? "-" : ""}${detail.sortingColumn.sortingField ?? ""}` as Sort,
        })
      }
      ariaLabels={ariaLabels(kind)}
      renderAriaLive={({ visibleItemsCount }) => `${visibleItemsCount} ${inSentence(kind.title_plural)} on this page`}
      header={
        <TableHeader
          kind={kind}
          place={place}
          view={view}
          count={countText(items.length, paging)}
          chosen={chosen}
          can={can}
        />
      }
      filter={
        <TableFilter kind={kind} tokens={view.tokens} onChange={(tokens) => show({ ...view, tokens, cursor: "" })} />
      }
      pagination={
        <Pagination
          currentPageIndex={paging.page}
          pagesCount={paging.count}
          openEnd={paging.open}
          disabled={list.isPlaceholderData}
          onChange={({ detail }) => show({ ...view, cursor: cursorOf(trail, detail.currentPageIndex) })}
        />
      }
      preferences={<TablePreferences columns={columns} value={preferences} onChange={setPreferences} />}
      empty={
        list.error ? (
          <Refusal error={list.error} onRetry={() => void list.refetch()} />
        ) : isFiltered ? (
          <NoMatch onClear={() => show({ ...view, tokens: [], cursor: "" })} />
        ) : (
          <None kind={kind} place={place} mayCreate={can("create") && isMadeHere(kind)} />
        )
      }
    />
  );
}

/** The way through the pages since the view was last another one. */
function useTrail(view: View, next: string | null | undefined): string[] {
  const key = JSON.stringify([view.tokens, view.sort]);
  const [kept, setKept] = useState({ key, trail: [""] });
  const trail = walked(kept.key === key ? kept.trail : [""], view.cursor, next);
  if (kept.key !== key || !equal(kept.trail, trail)) setKept({ key, trail });
  return trail;
}

function countText(count: number, { page, open }: { page: number; open: boolean }): string {
  if (page > 1) return "";
  return open ? `(${count}+)` : `(${count})`;
}

interface HeaderProps {
  kind: Kind;
  place: Place;
  view: View;
  count: string;
  chosen: Resource[];
  can: Here["can"];
}

function TableHeader({ kind, place, view, count, chosen, can }: HeaderProps) {
  const live = useIsLive();
  const query = filterQuery(view.tokens);
  return (
    <Header
      variant="awsui-h1-sticky"
      counter={count}
      description={kind.summary}
      info={
        <span
          className={live ? "live" : "live quiet"}
          role="img"
          aria-label={live ? "Shows changes as they happen" : "Read again every few seconds"}
          title={live ? "Shows changes as they happen" : "Read again every few seconds"}
        />
      }
      actions={
        <SpaceBetween direction="horizontal" size="xs">
          <Recipe
            call={`GET ${apiPath(kind, place)}${queryText({ ...query, sort: view.sort })}`}
            line={listLine(kind, query)}
          />
          <ActionsMenu kind={kind} place={place} items={chosen} can={can} />
          {can("create") && isMadeHere(kind) && (
            <Button variant="primary" href={kindPath(kind, place, "create")}>
              Create {inSentence(kind.title)}
            </Button>
          )}
        </SpaceBetween>
      }
    >
      {kind.title_plural}
    </Header>
  );
}

interface PreferencesProps {
  columns: Column[];
  value: ReturnType<typeof usePreferences>[0];
  onChange: ReturnType<typeof usePreferences>[1];
}

function TablePreferences({ columns, value, onChange }: PreferencesProps) {
  return (
    <CollectionPreferences
      title="Preferences"
      confirmLabel="Confirm"
      cancelLabel="Cancel"
      preferences={value}
      onConfirm={({ detail }) => onChange({ ...value, ...detail })}
      pageSizePreference={{ options: [20, 50, 100, 200].map((size) => ({ value: size, label: `${size} a page` })) }}
      wrapLinesPreference={{}}
      stripedRowsPreference={{}}
      contentDensityPreference={{}}
      contentDisplayPreference={{
        options: columns.map(({ id, label }) => ({ id, label, alwaysVisible: id === "name" })),
      }}
    />
  );
}

function None({ kind, place, mayCreate }: { kind: Kind; place: Place; mayCreate: boolean }) {
  return (
    <Box textAlign="center" padding={{ vertical: "xl" }}>
      <SpaceBetween size="m">
        <div>
          <Box variant="strong">No {inSentence(kind.title_plural)} yet</Box>
          <Box variant="p" color="text-body-secondary">
            {kind.summary}
          </Box>
        </div>
        {mayCreate && <Button href={kindPath(kind, place, "create")}>Create {inSentence(kind.title)}</Button>}
      </SpaceBetween>
    </Box>
  );
}

function NoMatch({ onClear }: { onClear: () => void }) {
  return (
    <Box textAlign="center" padding={{ vertical: "xl" }}>
      <SpaceBetween size="m">
        <Box variant="strong">Nothing matches this filter</Box>
        <Button onClick={onClear}>Clear the filter</Button>
      </SpaceBetween>
    </Box>
  );
}

function ariaLabels(kind: Kind) {
  return {
    tableLabel: kind.title_plural,
    selectionGroupLabel: "Choose",
    allItemsSelectionLabel: () => "Choose all on this page",
    itemSelectionLabel: (_: unknown, item: Resource) => `Choose ${item.name}`,
    resizerRoleDescription: "Changes the column's width",
  };
}
