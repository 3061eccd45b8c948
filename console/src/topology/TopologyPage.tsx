/** How a project's resources hang together: a picture, and the same as a table. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Container from "@cloudscape-design/components/container";
import Header from "@cloudscape-design/components/header";
import Multiselect from "@cloudscape-design/components/multiselect";
import SegmentedControl from "@cloudscape-design/components/segmented-control";
import SpaceBetween from "@cloudscape-design/components/space-between";
import TextFilter from "@cloudscape-design/components/text-filter";
import { useQuery } from "@tanstack/react-query";
import { useDeferredValue, useMemo } from "react";
import { useSearchParams } from "react-router";

import { type Catalog, useCatalog } from "../api/catalog";
import { answer, tenant } from "../api/client";
import { usePlace } from "../api/place";
import { keys } from "../api/queries";
import { Splash } from "../login/Entrance";
import { Refusal } from "../parts/Refusal";
import { useHeading } from "../shell/heading";
import { Drawing } from "./Drawing";
import { LinkTable } from "./LinkTable";
import { narrowed, unlinked } from "./narrowed";

export default function TopologyPage() {
  const place = usePlace();
  const catalog = useCatalog();
  useHeading({ title: "Topology" });
  const [search, setSearch] = useSearchParams();
  const topology = useQuery({
    queryKey: keys.whole(place, "topology"),
    queryFn: () =>
      answer(tenant.GET("/projects/{project_id}/topology", { params: { path: { project_id: place.id ?? "" } } })),
  });
  const text = search.get("find") ?? "";
  const hidden = search.get("without") ?? (topology.data ? unlinked(topology.data) : []).join(",");
  const found = useDeferredValue(text);
  const shown = useMemo(
    () => topology.data && narrowed(topology.data, found, hidden ? hidden.split(",") : []),
    [topology.data, found, hidden],
  );
  const set = (name: string, value: string) =>
    setSearch(
      (before) => {
        const after = new URLSearchParams(before);
        if (value || name === "without") after.set(name, value);
        else after.delete(name);
        return after;
      },
      { replace: true },
    );
  if (!topology.data || !shown)
    return topology.error ? <Refusal error={topology.error} onRetry={() => void topology.refetch()} /> : <Splash />;
  const isTable = search.get("as") === "table";
  return (
    <SpaceBetween size="l">
      <Header
        variant="h1"
        counter={`(${shown.nodes.length})`}
        description="What uses what: networks at the left, disks at the right. Choose one to see all about it."
        actions={
          <SegmentedControl
            label="Shown as"
            selectedId={isTable ? "table" : "picture"}
            options={[
              { id: "picture", text: "Picture" },
              { id: "table", text: "Table" },
            ]}
            onChange={({ detail }) => set("as", detail.selectedId === "table" ? "table" : "")}
          />
        }
      >
        Topology
      </Header>
      {topology.data.truncated && (
        <Alert type="info">There is more here than a picture holds: these are some of each kind.</Alert>
      )}
      <div className="topology-tools">
        <TextFilter
          filteringText={text}
          filteringPlaceholder="Find by name, with what hangs on it"
          filteringAriaLabel="Find by name"
          onChange={({ detail }) => set("find", detail.filteringText)}
        />
        <KindChoice
          catalog={catalog}
          kinds={[...new Set(topology.data.nodes.map(({ kind }) => kind))]}
          hidden={hidden ? hidden.split(",") : []}
          onChange={(next) => set("without", next.join(","))}
        />
      </div>
      {!shown.nodes.length ? (
        <Box textAlign="center" padding="xl" color="text-body-secondary">
          {topology.data.nodes.length ? "Nothing is called like that." : "There is nothing in this project yet."}
        </Box>
      ) : isTable ? (
        <LinkTable topology={shown} place={place} catalog={catalog} />
      ) : (
        <Container>
          <Drawing topology={shown} place={place} catalog={catalog} />
        </Container>
      )}
    </SpaceBetween>
  );
}

interface ChoiceProps {
  catalog: Catalog;
  kinds: string[];
  hidden: string[];
  onChange: (hidden: string[]) => void;
}

function KindChoice({ catalog, kinds, hidden, onChange }: ChoiceProps) {
  const options = kinds.map((value) => ({ value, label: catalog.named(value)?.title_plural ?? value }));
  return (
    <Multiselect
      ariaLabel="Kinds that are shown"
      options={options}
      selectedOptions={options.filter(({ value }) => !hidden.includes(value))}
      hideTokens
      placeholder="Kinds"
      onChange={({ detail }) => {
        const chosen = new Set(detail.selectedOptions.map(({ value }) => value));
        onChange(kinds.filter((kind) => !chosen.has(kind)));
      }}
    />
  );
}
