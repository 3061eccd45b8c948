/** First: name, how many, labels; an image, or a volume that is there. */

import Alert from "@cloudscape-design/components/alert";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import RadioGroup from "@cloudscape-design/components/radio-group";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Tiles from "@cloudscape-design/components/tiles";
import { useQuery } from "@tanstack/react-query";

import { answer, tenant } from "../../api/client";
import { type Place, placePath } from "../../api/place";
import { keys } from "../../api/queries";
import { PairsEditor } from "../../kinds/form/PairsEditor";
import { ReferencePicker } from "../../kinds/form/ReferencePicker";
import { Refusal } from "../../parts/Refusal";
import { amount } from "../../parts/words";
import type { StepProps } from "../CreateVmPage";

/** So many images are shown as tiles; more are chosen from a list. */
const TILES = 12;

export function ImageStep({ draft, change, sentences, place }: StepProps) {
  return (
    <SpaceBetween size="l">
      <Container header={<Header variant="h2">Name</Header>}>
        <SpaceBetween size="l">
          <FormField
            label="Name"
            description="Lower-case letters, digits and hyphens; unique among the project's machines."
            errorText={sentences.get("/name")}
          >
            <Input
              value={draft.name}
              spellcheck={false}
              autoComplete={false}
              onChange={({ detail }) => change({ name: detail.value })}
            />
          </FormField>
          <FormField
            label="How many"
            description={
              draft.count > 1
                ? `They are called ${draft.name || "NAME"}-1 to ${draft.name || "NAME"}-${draft.count}; all are made, or none.`
                : "Several at once are called NAME-1, NAME-2 and so on; all are made, or none."
            }
            errorText={sentences.get("/count")}
          >
            <Input
              type="number"
              inputMode="numeric"
              value={Number.isNaN(draft.count) ? "" : String(draft.count)}
              onChange={({ detail }) => change({ count: detail.value === "" ? NaN : Number(detail.value) })}
            />
          </FormField>
          <ExpandableSection
            headerText="Labels"
            headerDescription="Words of your own to find and group machines by."
            defaultExpanded={Object.keys(draft.labels).length > 0}
          >
            <FormField label={<span className="unseen">Labels</span>} errorText={sentences.get("/labels")} stretch>
              <PairsEditor pairs={draft.labels} noun="label" onChange={(labels) => change({ labels })} />
            </FormField>
          </ExpandableSection>
        </SpaceBetween>
      </Container>
      <Container header={<Header variant="h2">Boots from</Header>}>
        <SpaceBetween size="l">
          <RadioGroup
            ariaLabel="Boots from"
            value={draft.root}
            onChange={({ detail }) => change({ root: detail.value === "volume" ? "volume" : "image" })}
            items={[
              {
                value: "image",
                label: "A copy of an image",
                description: "On a new volume, which goes with the machine.",
              },
              {
                value: "volume",
                label: "A volume that is there",
                description: "It stays when the machine is deleted.",
              },
            ]}
          />
          {draft.root === "image" ? (
            <FormField label="Image" errorText={sentences.get("/spec/root_volume/image")} stretch>
              <Images place={place} chosen={draft.image} onChange={(image) => change({ image })} />
            </FormField>
          ) : (
            <FormField label="Volume" errorText={sentences.get("/spec/root_volume/volume")}>
              <ReferencePicker
                kind="volume"
                place={place}
                chosen={draft.volume ? [draft.volume] : []}
                onChange={([volume]) => change({ volume })}
              />
            </FormField>
          )}
        </SpaceBetween>
      </Container>
    </SpaceBetween>
  );
}

interface ImagesProps {
  place: Place;
  chosen: string | undefined;
  onChange: (id: string | undefined) => void;
}

function Images({ place, chosen, onChange }: ImagesProps) {
  const query = { limit: TILES + 1, sort: "name" as const };
  const images = useQuery({
    queryKey: keys.list(place, "image", query),
    queryFn: () =>
      answer(tenant.GET("/projects/{project_id}/images", { params: { path: { project_id: place.id ?? "" }, query } })),
  });
  if (images.error) return <Refusal error={images.error} onRetry={() => void images.refetch()} />;
  if (!images.data) return <Spinner />;
  const { items } = images.data;
  if (!items.length) {
    return (
      <Alert type="info" header="There is no image yet">
        <Link href={`${placePath(place)}/images/create`}>Upload one</Link> in qcow2 or raw format; then come back here.
      </Alert>
    );
  }
  if (items.length > TILES) {
    return (
      <ReferencePicker
        kind="image"
        place={place}
        chosen={chosen ? [chosen] : []}
        onChange={([image]) => onChange(image)}
      />
    );
  }
  return (
    <Tiles
      ariaLabel="Image"
      value={chosen ?? null}
      onChange={({ detail }) => onChange(detail.value)}
      columns={3}
      items={items.map(({ id, name, status, spec }) => ({
        value: id,
        label: name,
        description: `${spec.format}, a disk of ${amount(spec.virtual_size_bytes, "bytes")}`,
        disabled: status !== "active",
      }))}
    />
  );
}
