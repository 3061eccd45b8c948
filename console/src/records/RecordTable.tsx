/**
 * A table of what is only read: jobs, audit events, drift. Filters and page are the API's own and stand in the address, by the
 * names of the API's parameters.
 */

import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Header from "@cloudscape-design/components/header";
import Pagination from "@cloudscape-design/components/pagination";
import PropertyFilter, { type PropertyFilterProps } from "@cloudscape-design/components/property-filter";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table, { type TableProps } from "@cloudscape-design/components/table";
import { type QueryKey, keepPreviousData, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { useSearchParams } from "react-router";

import { type Query, call } from "../api/call";
import { UNTOLD_MS } from "../api/queries";
import { cursorOf, pagingOf, walked } from "../kinds/paging";
import { Refusal } from "../parts/Refusal";
import { type Filter, filtersIn, readToken, tokensOf } from "./filters";

interface Props<Item> {
  title: string;
  description: string;
  /** What one of them is called: "job". */
  noun: string;
  /** The list's path in the API. */
  path: string;
  queryKey: (query: Query) => QueryKey;
  filters: Filter[];
  /** Parameters that hold where the address says nothing. */
  presets?: Record<string, string>;
  /** Parameters that hold where no filter says otherwise, and of which the address says nothing. */
  always?: Query;
  columns: TableProps.ColumnDefinition<Item>[];
  /** What tells one from another, if not its id. */
  trackBy?: string;
  variant?: "full-page" | "container";
  actions?: ReactNode;
  empty: string;
  /** It changes without anything that the stream of changes tells of. */
  untold?: boolean;
}

const PAGE = 50;

export function RecordTable<Item>(props: Props<Item>) {
  const { title, description, noun, path, queryKey, filters, presets = {}, always = {}, columns, empty } = props;
  const [search, setSearch] = useSearchParams();
  const said = filtersIn(search, filters, presets);
  const cursor = search.get("cursor") ?? "";
  const query: Query = { ...always, ...said, limit: PAGE, cursor: cursor || undefined };
  const list = useQuery({
    queryKey: queryKey(query),
    queryFn: ({ signal }) => call<{ items: Item[]; next: string | null }>(path, { query, signal }),
    placeholderData: keepPreviousData,
    ...(props.untold ? { refetchInterval: UNTOLD_MS } : {}),
  });
  const trail = useTrail(JSON.stringify(said), cursor, list.isPlaceholderData ? undefined : list.data?.next);
  const show = (filter: Record<string, string>, at: string) =>
    setSearch((before) => merged(before, filters, filter, presets, at), { replace: at === cursor });
  const items = list.data?.items ?? [];
  const paging = pagingOf(trail, cursor, list.data?.next);
  const isFiltered = Object.keys(said).length > 0;
  return (
    <Table
      variant={props.variant ?? "full-page"}
      stickyHeader={props.variant !== "container"}
      resizableColumns
      enableKeyboardNavigation
      trackBy={props.trackBy ?? "id"}
      items={items}
      columnDefinitions={columns}
      loading={list.isPending}
      loadingText={`Loading ${noun}s`}
      ariaLabels={{ tableLabel: title, resizerRoleDescription: "Changes the column's width" }}
      renderAriaLive={({ visibleItemsCount }) => `${visibleItemsCount} on this page`}
      header={
        <Header
          variant={props.variant === "container" ? "h2" : "awsui-h1-sticky"}
          description={description}
          counter={paging.page > 1 ? "" : `(${items.length}${paging.open ? "+" : ""})`}
          actions={props.actions}
        >
          {title}
        </Header>
      }
      filter={
        filters.length > 0 && (
          <RecordFilter noun={noun} filters={filters} said={said} onChange={(filter) => show(filter, "")} />
        )
      }
      pagination={
        <Pagination
          currentPageIndex={paging.page}
          pagesCount={paging.count}
          openEnd={paging.open}
          disabled={list.isPlaceholderData}
          onChange={({ detail }) => show(said, cursorOf(trail, detail.currentPageIndex))}
        />
      }
      empty={
        list.error ? (
          <Refusal error={list.error} onRetry={() => void list.refetch()} />
        ) : (
          <None text={isFiltered ? "Nothing matches this filter" : empty}>
            {isFiltered && <Button onClick={() => show({}, "")}>Clear the filter</Button>}
          </None>
        )
      }
    />
  );
}

function None({ text, children }: { text: string; children: ReactNode }) {
  return (
    <Box textAlign="center" padding={{ vertical: "xl" }}>
      <SpaceBetween size="m">
        <Box variant="strong">{text}</Box>
        {children}
      </SpaceBetween>
    </Box>
  );
}

/** The way through the pages since the filter was last another one. */
function useTrail(key: string, cursor: string, next: string | null | undefined): string[] {
  const [kept, setKept] = useState({ key, trail: [""] });
  const trail = walked(kept.key === key ? kept.trail : [""], cursor, next);
  if (kept.key !== key || kept.trail.join("\n") !== trail.join("\n")) setKept({ key, trail });
  return trail;
}

/** The address with another filter and page; what else stands in it stays. A preset that was taken away is said to be empty. */
function merged(
  before: URLSearchParams,
  filters: Filter[],
  filter: Record<string, string>,
  presets: Record<string, string>,
  cursor: string,
): URLSearchParams {
  const after = new URLSearchParams(before);
  for (const { parameter } of filters) {
    const value = filter[parameter] ?? "";
    if (value === (presets[parameter] ?? "")) after.delete(parameter);
    else after.set(parameter, value);
  }
  if (cursor) after.set("cursor", cursor);
  else after.delete("cursor");
  return after;
}

interface FilterProps {
  noun: string;
  filters: Filter[];
  said: Record<string, string>;
  onChange: (said: Record<string, string>) => void;
}

function RecordFilter({ noun, filters, said, onChange }: FilterProps) {
  const change = (tokens: readonly PropertyFilterProps.Token[]) =>
    onChange(Object.fromEntries(tokens.flatMap((token) => readToken(token, filters))));
  return (
    <PropertyFilter
      hideOperations
      disableFreeTextFiltering
      query={{ operation: "and", tokens: tokensOf(said, filters) }}
      filteringProperties={properties(filters)}
      filteringOptions={filters.flatMap(({ property, values }) =>
        (values ?? []).map(({ value, label }) => ({ propertyKey: property, value, label })),
      )}
      filteringPlaceholder={`Filter ${noun}s`}
      filteringAriaLabel={`Filter ${noun}s`}
      onChange={({ detail }) => change(detail.tokens)}
    />
  );
}

function properties(filters: Filter[]): PropertyFilterProps.FilteringProperty[] {
  const keys = [...new Set(filters.map(({ property }) => property))];
  return keys.flatMap((key) => {
    const own = filters.filter(({ property }) => property === key);
    const [first] = own;
    if (!first) return [];
    return [
      {
        key,
        propertyLabel: first.title,
        groupValuesLabel: `${first.title} values`,
        operators: own.map(({ operator }) => operator),
        defaultOperator: first.operator,
      },
    ];
  });
}
