/** The wizard that makes a machine, or many: image, size, disks, network, access; then what would come of it, then it. */

import Wizard from "@cloudscape-design/components/wizard";
import { useState } from "react";
import { useNavigate } from "react-router";

import { type Kind, apiPath, kindPath, useCatalog } from "../api/catalog";
import { type Place, usePlace } from "../api/place";
import { ProblemError, fieldSentences } from "../api/problem";
import { type Order, carryOut } from "../kinds/change";
import { Allowed } from "../shell/Allowed";
import { flash } from "../shell/flashes";
import NotFound from "../shell/NotFound";
import { useHeading } from "../shell/heading";
import { jobAddress } from "../jobs/job";
import { BEGINNING, type Draft, STEPS, type Step, lacking, requestOf, stepOf } from "./draft";
import { AccessStep } from "./steps/AccessStep";
import { DisksStep } from "./steps/DisksStep";
import { ImageStep } from "./steps/ImageStep";
import { NetworkStep } from "./steps/NetworkStep";
import { ReviewStep } from "./steps/ReviewStep";
import { SizeStep } from "./steps/SizeStep";

/** What every step is given. */
export interface StepProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  /** What is wrong with fields, by pointer. */
  sentences: ReadonlyMap<string, string>;
  place: Place;
}

export default function CreateVmPage() {
  const kind = useCatalog().named("vm");
  const place = usePlace();
  if (!kind) return <NotFound />;
  return (
    <Allowed place={place} permission={kind.permissions["create"]}>
      <CreateVm kind={kind} place={place} />
    </Allowed>
  );
}

function CreateVm({ kind, place }: { kind: Kind; place: Place }) {
  useHeading({ title: "Create virtual machine", trail: [{ text: kind.title_plural, href: kindPath(kind, place) }] });
  const navigate = useNavigate();
  const [draft, setDraft] = useState(BEGINNING);
  const [at, setAt] = useState(0);
  const [sentences, setSentences] = useState<ReadonlyMap<string, string>>(new Map());
  const [isBusy, setBusy] = useState(false);
  const order: Order = { method: "POST", path: apiPath(kind, place), body: requestOf(draft) };
  const props: StepProps = { draft, sentences, place, change: (part) => setDraft({ ...draft, ...part }) };

  /** Forward only past steps that lack nothing. */
  const go = (to: number) => {
    const gap = STEPS.slice(0, to).findIndex((step) => lacking(draft, step).size > 0);
    setSentences(gap < 0 ? new Map() : lacking(draft, stepAt(gap)));
    setAt(gap < 0 ? to : gap);
  };
  /** Back to where it was refused; without a field, it is said here. */
  const refused = (error: unknown) => {
    const found = fieldSentences(error);
    const [pointer] = found.keys();
    if (!(error instanceof ProblemError) || pointer === undefined) {
      flash.refused(error);
      return;
    }
    setSentences(found);
    setAt(STEPS.indexOf(stepOf(pointer)));
  };
  const submit = async () => {
    setBusy(true);
    try {
      const what = draft.count > 1 ? `Create ${draft.count} virtual machines` : `Create virtual machine ${draft.name}`;
      const done = await carryOut(order, what, kind, place);
      const to = "id" in done ? kindPath(kind, place, done.id) : done.job && jobAddress(place, done.job.id);
      void navigate(to ?? kindPath(kind, place));
    } catch (error) {
      refused(error);
    } finally {
      setBusy(false);
    }
  };

  return (
    <Wizard
      activeStepIndex={at}
      allowSkipTo={false}
      isLoadingNextStep={isBusy}
      submitButtonText={draft.count > 1 ? `Create ${draft.count} machines` : "Create virtual machine"}
      onNavigate={({ detail }) => go(detail.requestedStepIndex)}
      onCancel={() => void navigate(kindPath(kind, place))}
      onSubmit={() => void submit()}
      steps={[
        {
          title: "Image",
          description: "What it is called and what it boots from.",
          content: <ImageStep {...props} />,
        },
        { title: "Size", description: "How much it computes and holds.", content: <SizeStep {...props} /> },
        { title: "Disks", description: "How large its disk is, and further ones.", content: <DisksStep {...props} /> },
        {
          title: "Network",
          description: "Each card is a port on a network, which goes with the machine.",
          content: <NetworkStep {...props} />,
        },
        { title: "Access", description: "Who gets in, and what it does first.", content: <AccessStep {...props} /> },
        {
          title: "Review",
          description: "What would be made. Nothing has been done yet.",
          content: at === STEPS.length - 1 && (
            <ReviewStep kind={kind} draft={draft} order={order} place={place} onRefused={refused} onEdit={go} />
          ),
        },
      ]}
    />
  );
}

function stepAt(index: number): Step {
  return STEPS[index] ?? "review";
}
