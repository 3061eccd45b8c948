/** A network with a range of addresses, made on the way. */

import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import { useState } from "react";

import { answer, tenant } from "../../api/client";
import type { Place } from "../../api/place";
import { keys, queries } from "../../api/queries";
import { NewDialog } from "./NewDialog";

interface Props {
  place: Place;
  onMade: (id: string) => void;
  onClose: () => void;
}

export function NewNetwork({ place, onMade, onClose }: Props) {
  const [name, setName] = useState("");
  const [cidr, setCidr] = useState("10.0.0.0/24");
  const path = { project_id: place.id ?? "" };
  // The network may have been made when the range was refused: then only the range is made anew.
  const [network, setNetwork] = useState<string | null>(null);
  const make = async () => {
    const id = network ?? (await makeNetwork(path, name));
    setNetwork(id);
    await answer(
      tenant.POST("/projects/{project_id}/subnets", {
        params: { path },
        body: { name: `${name}-a`, labels: {}, spec: { network: id, cidr, dns_servers: [] } },
      }),
    );
    await queries.invalidateQueries({ queryKey: keys.list(place, "network") });
    onMade(id);
  };
  return (
    <NewDialog title="New network" canMake={name !== "" && cidr !== ""} make={make} onClose={onClose}>
      {(sentences) => (
        <>
          <FormField label="Name" errorText={sentences.get("/name")}>
            <Input
              value={name}
              disabled={network !== null}
              spellcheck={false}
              onChange={({ detail }) => setName(detail.value)}
            />
          </FormField>
          <FormField
            label="Addresses"
            description="An IPv4 range. The first address is the gateway's."
            errorText={sentences.get("/spec/cidr")}
          >
            <Input value={cidr} spellcheck={false} onChange={({ detail }) => setCidr(detail.value)} />
          </FormField>
        </>
      )}
    </NewDialog>
  );
}

async function makeNetwork(path: { project_id: string }, name: string): Promise<string> {
  const made = await answer(
    tenant.POST("/projects/{project_id}/networks", {
      params: { path },
      body: { name, labels: {}, spec: { mtu: 1442 } },
    }),
  );
  if (!("id" in made)) throw new Error("The network was not answered.");
  return made.id;
}
