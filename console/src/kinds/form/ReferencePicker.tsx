/** Chooses one resource of a kind, or several, by the beginning of the name; the API is asked as one types. */

import Multiselect from "@cloudscape-design/components/multiselect";
import Select, { type SelectProps } from "@cloudscape-design/components/select";
import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { call } from "../../api/call";
import { type Kind, type Resource, apiPath, useCatalog } from "../../api/catalog";
import type { Place } from "../../api/place";
import { keys } from "../../api/queries";
import { homeOf } from "../../parts/ResourceLink";
import type { ResourcePage } from "../list";
import { inSentence } from "../../parts/words";

interface Props {
  /** The name of the kind. */
  kind: string;
  place: Place;
  /** Ids. */
  chosen: string[];
  onChange: (ids: string[]) => void;
  isMany?: boolean;
  isOptional?: boolean;
}

const MOST = 50;
const NONE: SelectProps.Option = { value: "", label: "–" };

export function ReferencePicker({ kind: name, place, ...rest }: Props) {
  const kind = useCatalog().named(name);
  const home = kind && homeOf(kind, place);
  return kind && home ? <Picker kind={kind} place={home} {...rest} /> : null;
}

function Picker({ kind, place, chosen, onChange, isMany, isOptional }: Omit<Props, "kind"> & { kind: Kind }) {
  const [text, setText] = useState("");
  const found = useQuery({
    queryKey: keys.list(place, kind.name, "picker", text),
    queryFn: ({ signal }) =>
      call<ResourcePage>(apiPath(kind, place), { query: { name_prefix: text, sort: "name", limit: MOST }, signal }),
    placeholderData: keepPreviousData,
  });
  const known = useChosen(kind, place, chosen);
  const options = (found.data?.items ?? []).map(optionOf);
  const common = {
    filteringType: "manual" as const,
    placeholder: `Choose ${isMany ? inSentence(kind.title_plural) : inSentence(kind.title)}`,
    filteringPlaceholder: "Beginning of the name",
    filteringAriaLabel: `Find a ${inSentence(kind.title)}`,
    statusType: found.isFetching ? ("loading" as const) : found.isError ? ("error" as const) : ("finished" as const),
    loadingText: "Looking",
    errorText: "They cannot be read.",
    empty: text ? "None begins like that." : `There are no ${inSentence(kind.title_plural)} yet.`,
    onLoadItems: ({ detail }: { detail: { filteringText: string } }) =>
      setText(detail.filteringText.trim().toLowerCase()),
  };
  if (isMany) {
    return (
      <Multiselect
        {...common}
        options={options}
        selectedOptions={known}
        onChange={({ detail }) => onChange(detail.selectedOptions.map((each) => each.value ?? ""))}
      />
    );
  }
  return (
    <Select
      {...common}
      options={isOptional ? [NONE, ...options] : options}
      selectedOption={known[0] ?? null}
      onChange={({ detail }) => onChange(detail.selectedOption.value ? [detail.selectedOption.value] : [])}
    />
  );
}

function optionOf({ id, name, status }: Resource): SelectProps.Option {
  return { value: id, label: name, ...(status === "active" ? {} : { labelTag: status }) };
}

/** What is chosen, with names. */
function useChosen(kind: Kind, place: Place, ids: string[]): SelectProps.Option[] {
  const found = useQueries({
    queries: ids.map((id) => ({
      queryKey: keys.item(place, kind.name, id),
      queryFn: ({ signal }: { signal: AbortSignal }) => call<Resource>(apiPath(kind, place, id), { signal }),
      refetchInterval: false as const,
      staleTime: 60_000,
    })),
  });
  return ids.map((id, index) => ({ value: id, label: found[index]?.data?.name ?? id }));
}
