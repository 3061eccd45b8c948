/** A link to a resource by its id, called by its name as soon as that is known. */

import Link from "@cloudscape-design/components/link";
import { useQuery } from "@tanstack/react-query";

import { call } from "../api/call";
import { type Kind, type Resource, apiPath, kindPath, useCatalog } from "../api/catalog";
import { PLATFORM, type Place } from "../api/place";
import { keys } from "../api/queries";

interface Props {
  id: string;
  place: Place;
  /** If it is known already. */
  name?: string | undefined;
}

export function ResourceLink({ id, place, name }: Props) {
  const kind = useCatalog().ofId(id);
  const home = kind && homeOf(kind, place);
  return kind && home ? <Known id={id} kind={kind} home={home} name={name} /> : <>{name ?? id}</>;
}

function Known({ id, kind, home, name }: { id: string; kind: Kind; home: Place; name: string | undefined }) {
  const { data } = useQuery({
    queryKey: keys.item(home, kind.name, id),
    queryFn: ({ signal }) => call<Resource>(apiPath(kind, home, id), { signal }),
    enabled: name === undefined,
    refetchInterval: false,
    staleTime: 60_000,
    retry: false,
  });
  return <Link href={kindPath(kind, home, id)}>{name ?? data?.name ?? id}</Link>;
}

/** Where a resource of a kind is, seen from a place; null if that cannot be known from there. */
export function homeOf(kind: Kind, place: Place): Place | null {
  if (kind.scope === "platform") return PLATFORM;
  return kind.scope === place.scope ? place : null;
}
