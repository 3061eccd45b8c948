/** Fourth: the network cards. */

import Alert from "@cloudscape-design/components/alert";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useState } from "react";

import { usePermissions } from "../../api/me";
import { ReferencePicker } from "../../kinds/form/ReferencePicker";
import type { StepProps } from "../CreateVmPage";
import { EMPTY_NIC, type NicDraft } from "../draft";
import { NewNetwork } from "./NewNetwork";
import { sentenceBelow } from "./DisksStep";

const MOST = 8;

export function NetworkStep({ draft, change, sentences, place }: StepProps) {
  const may = usePermissions(place);
  const [isMaking, setMaking] = useState(false);
  const { nics } = draft;
  const set = (index: number, part: Partial<NicDraft>) =>
    change({ nics: nics.map((nic, at) => (at === index ? { ...nic, ...part } : nic)) });
  const made = (network: string) => {
    setMaking(false);
    const free = nics.findIndex((nic) => nic.network === undefined);
    if (free >= 0) set(free, { network });
    else change({ nics: [...nics, { ...EMPTY_NIC, network }] });
  };
  return (
    <SpaceBetween size="l">
      {!nics.length && (
        <Alert type="warning">Without a card it cannot be reached, nor reach anything, but by its console.</Alert>
      )}
      {nics.map((nic, index) => (
        <Container
          key={index}
          header={
            <Header
              variant="h2"
              actions={
                <Button
                  iconName="remove"
                  ariaLabel={`Remove card ${index + 1}`}
                  onClick={() => change({ nics: nics.filter((_, at) => at !== index) })}
                >
                  Remove
                </Button>
              }
            >
              Card {index + 1}
            </Header>
          }
        >
          <SpaceBetween size="l">
            <FormField
              label="Network"
              errorText={
                sentences.get(`/spec/nics/${index}/network`) ??
                sentences.get(`/spec/nics/${index}`) ??
                (index === 0 ? sentences.get("/spec/nics") : undefined)
              }
              secondaryControl={
                may("network.network.create") && may("network.subnet.create") ? (
                  <Button iconName="add-plus" onClick={() => setMaking(true)}>
                    New network
                  </Button>
                ) : undefined
              }
            >
              <ReferencePicker
                kind="network"
                place={place}
                chosen={nic.network ? [nic.network] : []}
                isOptional
                onChange={([network]) => set(index, { network })}
              />
            </FormField>
            <FormField
              label={
                <>
                  Security groups <i>(optional)</i>
                </>
              }
              description="They say who may reach it. Without any, only replies and DHCP pass."
              errorText={sentenceBelow(sentences, `/spec/nics/${index}/security_groups`)}
            >
              <ReferencePicker
                kind="security_group"
                place={place}
                chosen={nic.securityGroups}
                isMany
                onChange={(securityGroups) => set(index, { securityGroups })}
              />
            </FormField>
            {draft.count === 1 && (
              <FormField
                label={
                  <>
                    Address <i>(optional)</i>
                  </>
                }
                description="A free one of the network's if not said."
                errorText={sentences.get(`/spec/nics/${index}/address`)}
              >
                <Input
                  value={nic.address}
                  placeholder="10.0.0.10"
                  spellcheck={false}
                  onChange={({ detail }) => set(index, { address: detail.value })}
                />
              </FormField>
            )}
          </SpaceBetween>
        </Container>
      ))}
      <SpaceBetween direction="horizontal" size="s" alignItems="center">
        <Button
          iconName="add-plus"
          disabled={nics.length >= MOST}
          onClick={() => change({ nics: [...nics, EMPTY_NIC] })}
        >
          Add a card
        </Button>
        <Box color="text-body-secondary">At most {MOST}.</Box>
      </SpaceBetween>
      {isMaking && <NewNetwork place={place} onMade={made} onClose={() => setMaking(false)} />}
    </SpaceBetween>
  );
}
