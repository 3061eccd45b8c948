/** Uploads an image. Its bytes are checked as they come; what is no disk that boots is refused. */

import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import FileUpload from "@cloudscape-design/components/file-upload";
import Form from "@cloudscape-design/components/form";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import Input from "@cloudscape-design/components/input";
import ProgressBar from "@cloudscape-design/components/progress-bar";
import SpaceBetween from "@cloudscape-design/components/space-between";
import { useMutation } from "@tanstack/react-query";
import { type SyntheticEvent, useRef, useState } from "react";
import { useNavigate } from "react-router";

import { type Resource, apiPath, kindPath, useCatalog } from "../api/catalog";
import { queryText } from "../api/call";
import { type Place, usePlace } from "../api/place";
import { fieldSentences, problemIn } from "../api/problem";
import { keys, queries } from "../api/queries";
import { PairsEditor } from "../kinds/form/PairsEditor";
import { Code } from "../parts/Code";
import { amount } from "../parts/words";
import { Allowed } from "../shell/Allowed";
import { flash } from "../shell/flashes";
import { useHeading } from "../shell/heading";
import NotFound from "../shell/NotFound";
import { nameOf, upload } from "./upload";

export default function CreateImagePage() {
  const place = usePlace();
  return (
    <Allowed place={place} permission="storage.image.create">
      <CreateImage place={place} />
    </Allowed>
  );
}

function CreateImage({ place }: { place: Place }) {
  const kind = useCatalog().named("image");
  const navigate = useNavigate();
  useHeading({
    title: "Upload image",
    trail: kind ? [{ text: kind.title_plural, href: kindPath(kind, place) }] : [],
  });
  const [files, setFiles] = useState<File[]>([]);
  const [name, setName] = useState("");
  const [labels, setLabels] = useState<Record<string, string>>({});
  const [sent, setSent] = useState(0);
  const ending = useRef<AbortController | null>(null);
  const [file] = files;
  const labelText = Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
  const path = kind ? apiPath(kind, place) + queryText({ name, labels: labelText }) : "";
  const sending = useMutation({
    mutationFn: (chosen: File) => {
      ending.current = new AbortController();
      setSent(0);
      return upload<Resource>(path, chosen, setSent, ending.current.signal);
    },
    onSuccess: async (image) => {
      flash.done(`Image ${image.name} is uploaded and checked.`);
      if (!kind) return;
      await queries.invalidateQueries({ queryKey: keys.list(place, kind.name) });
      await navigate(kindPath(kind, place, image.id));
    },
  });
  if (!kind) return <NotFound />;
  const sentences = fieldSentences(sending.error);
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    if (file && name) sending.mutate(file);
  };
  const choose = (chosen: File[]) => {
    setFiles(chosen);
    if (!name && chosen[0]) setName(nameOf(chosen[0].name));
  };
  return (
    <form onSubmit={submit} noValidate>
      <Form
        header={
          <Header variant="h1" description={kind.summary}>
            Upload image
          </Header>
        }
        actions={
          <SpaceBetween direction="horizontal" size="xs">
            <Button
              variant="link"
              formAction="none"
              onClick={() => (sending.isPending ? ending.current?.abort() : void navigate(kindPath(kind, place)))}
            >
              {sending.isPending ? "Stop" : "Cancel"}
            </Button>
            <Button variant="primary" disabled={!file || !name} loading={sending.isPending}>
              Upload image
            </Button>
          </SpaceBetween>
        }
      >
        <SpaceBetween size="l">
          {sending.error && !sentences.size && (
            <Alert type="error" header={problemIn(sending.error).title}>
              {problemIn(sending.error).detail}
            </Alert>
          )}
          <Container header={<Header variant="h2">Image</Header>}>
            <SpaceBetween size="l">
              <FormField
                label="File"
                description="A qcow2 image that stands alone, or a raw disk that boots."
                constraintText=".qcow2, .raw, .img"
              >
                <FileUpload
                  value={files}
                  onChange={({ detail }) => choose(detail.value)}
                  accept=".qcow2,.raw,.img"
                  showFileSize
                  i18nStrings={{
                    uploadButtonText: () => "Choose a file",
                    dropzoneText: () => "Drop the file here",
                    removeFileAriaLabel: () => "Take the file away",
                    errorIconAriaLabel: "Error",
                    warningIconAriaLabel: "Warning",
                    limitShowFewer: "Show fewer",
                    limitShowMore: "Show more",
                  }}
                />
              </FormField>
              <FormField
                label="Name"
                description="Lower-case letters, digits and hyphens; unique among the project's images."
                errorText={sentences.get("/query/name") ?? sentences.get("/name")}
              >
                <Input value={name} spellcheck={false} onChange={({ detail }) => setName(detail.value)} />
              </FormField>
              <FormField label="Labels" errorText={sentences.get("/query/labels")} stretch>
                <PairsEditor pairs={labels} noun="label" onChange={setLabels} />
              </FormField>
              {sending.isPending && file && (
                <ProgressBar
                  label={sent < file.size ? "Uploading" : "Uploaded; it is being checked"}
                  value={file.size ? (sent / file.size) * 100 : 0}
                  additionalInfo={`${amount(sent, "bytes")} of ${amount(file.size, "bytes")}`}
                />
              )}
            </SpaceBetween>
          </Container>
          <Container header={<Header variant="h2">The same by command line</Header>}>
            <Code title="Command line" text={`gp image create ${name || "NAME"} --file ${file?.name ?? "FILE"}`} />
          </Container>
        </SpaceBetween>
      </Form>
    </form>
  );
}
