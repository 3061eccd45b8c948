/** Finds resources of the place by id, beginning of the name, label or address. The key `/` leads here. */

import Autosuggest, { type AutosuggestProps } from "@cloudscape-design/components/autosuggest";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { call } from "../api/call";
import { type Catalog, kindPath, useCatalog } from "../api/catalog";
import { PLATFORM, type Place } from "../api/place";
import { keys } from "../api/queries";

interface Found {
  id: string;
  kind: string;
  name: string;
  status: string;
  project_id: string | null;
  organization_id: string | null;
  matched: "id" | "name" | "label" | "address";
}

const MOST = 20;
const PAUSE_MS = 150;

export function Search({ place }: { place: Place }) {
  const [text, setText] = useState("");
  const catalog = useCatalog();
  const navigate = useNavigate();
  const asked = useSettled(text.trim());
  const found = useFound(place, asked);
  const items = found.data?.items ?? [];
  const field = useRef<AutosuggestProps.Ref>(null);
  useSlashKey(() => field.current?.focus());
  const open = (id: string) => {
    const one = items.find((each) => each.id === id);
    const path = one && addressOf(one, catalog);
    if (!path) return;
    setText("");
    void navigate(path);
  };
  return (
    <Autosuggest
      ref={field}
      ariaLabel="Search"
      placeholder="Search by name, id, label or address"
      value={text}
      options={options(items, catalog)}
      filteringType="manual"
      enteredTextLabel={(entered) => `Search: ${entered}`}
      statusType={found.isFetching ? "loading" : found.isError ? "error" : "finished"}
      loadingText="Searching"
      errorText="The search failed."
      empty={
        asked && !found.isFetching ? "Nothing is found." : "Type a name, an id, a label (key=value) or an address."
      }
      onChange={({ detail }) => setText(detail.value)}
      onSelect={({ detail }) => detail.selectedOption?.value && open(detail.selectedOption.value)}
    />
  );
}

function useFound(place: Place, text: string) {
  const path = place.scope === "project" ? `/api/tenant/v1/projects/${place.id}/search` : "/api/ops/v1/search";
  return useQuery({
    queryKey: keys.whole(place, "search", text),
    queryFn: ({ signal }) => call<{ items: Found[] }>(path, { query: { q: text, limit: MOST }, signal }),
    enabled: text !== "" && place.scope !== "organization",
    placeholderData: keepPreviousData,
    refetchInterval: false,
  });
}

function options(items: Found[], catalog: Catalog): AutosuggestProps.Options {
  const groups = new Map<string, AutosuggestProps.Option[]>();
  for (const { kind, id, name, status, matched } of items) {
    const title = catalog.named(kind)?.title_plural ?? kind;
    const option = {
      value: id,
      label: name,
      description: id,
      labelTag: status,
      tags: matched === "name" ? [] : [`by ${matched}`],
    };
    groups.set(title, [...(groups.get(title) ?? []), option]);
  }
  return [...groups].map(([label, within]) => ({ label, options: within }));
}

function addressOf(found: Found, catalog: Catalog): string | null {
  const kind = catalog.named(found.kind);
  if (!kind) return null;
  if (kind.scope === "project" && found.project_id)
    return kindPath(kind, { scope: "project", id: found.project_id }, found.id);
  if (kind.scope === "organization" && found.organization_id) {
    return kindPath(kind, { scope: "organization", id: found.organization_id }, found.id);
  }
  return kindPath(kind, PLATFORM, found.id);
}

/** The text, once nobody has typed for a moment. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}

function useSlashKey(focus: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const within = event.target instanceof HTMLElement && event.target.closest("input, textarea, [contenteditable]");
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || within) return;
      event.preventDefault();
      focus();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
}
