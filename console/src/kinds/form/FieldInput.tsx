/** Draws a field of a form, whatever it is; groups and lists draw their own fields within. */

import Autosuggest from "@cloudscape-design/components/autosuggest";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Input from "@cloudscape-design/components/input";
import Multiselect from "@cloudscape-design/components/multiselect";
import Select from "@cloudscape-design/components/select";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";
import Toggle from "@cloudscape-design/components/toggle";
import type { ReactNode } from "react";

import type { Place } from "../../api/place";
import { type Field, type UnionDraft, draftOf, isRecord, titleOf } from "../schema";
import { PairsEditor } from "./PairsEditor";
import { ReferencePicker } from "./ReferencePicker";
import { inSentence } from "../../parts/words";

export interface FieldProps<F extends Field = Field> {
  field: F;
  draft: unknown;
  /** Where the field is in the request, as problems name it: `/spec/rules/0`. */
  pointer: string;
  /** Sentences about fields, by pointer. */
  sentences: ReadonlyMap<string, string>;
  place: Place;
  onChange: (draft: unknown) => void;
}

type Of<Is extends Field["is"]> = FieldProps<Extract<Field, { is: Is }>>;

export function FieldInput(props: FieldProps): ReactNode {
  const { field } = props;
  switch (field.is) {
    case "group":
      return <GroupInput {...props} field={field} />;
    case "list":
      return <ListInput {...props} field={field} />;
    case "union":
      return <UnionInput {...props} field={field} />;
    default:
      return (
        <Labelled {...props}>
          <PlainInput {...props} />
        </Labelled>
      );
  }
}

/** Title, description, and what is wrong with it. */
function Labelled({ field, pointer, sentences, children }: FieldProps & { children: ReactNode }) {
  return (
    <FormField
      label={
        <>
          {field.title} {field.optional && <i>(optional)</i>}
        </>
      }
      description={field.description}
      constraintText={constraintOf(field)}
      errorText={sentences.get(pointer) ?? within(sentences, pointer)}
      stretch={field.is === "text" && field.long}
    >
      {children}
    </FormField>
  );
}

/** What is wrong deeper than a field that draws no fields itself. */
function within(sentences: ReadonlyMap<string, string>, pointer: string): string | undefined {
  return [...sentences].find(([each]) => each.startsWith(`${pointer}/`))?.[1];
}

function constraintOf(field: Field): string | undefined {
  if (field.is === "number") {
    const { minimum, maximum } = field;
    if (minimum !== undefined && maximum !== undefined)
      return `${minimum.toLocaleString("en")} to ${maximum.toLocaleString("en")}.`;
    if (minimum !== undefined) return `At least ${minimum.toLocaleString("en")}.`;
    if (maximum !== undefined) return `At most ${maximum.toLocaleString("en")}.`;
  }
  if ((field.is === "list" || field.is === "references") && field.most !== undefined) return `At most ${field.most}.`;
  return undefined;
}

/** A field that is one control. */
function PlainInput(props: FieldProps): ReactNode {
  const { field, draft, onChange, place } = props;
  switch (field.is) {
    case "text":
      return <TextInput {...props} field={field} />;
    case "number":
      return <NumberInput {...props} field={field} />;
    case "flag":
      return (
        <Toggle checked={draft === true} onChange={({ detail }) => onChange(detail.checked)}>
          {draft === true ? "Yes" : "No"}
        </Toggle>
      );
    case "choice":
      return <ChoiceInput {...props} field={field} />;
    case "choices":
      return (
        <Multiselect
          options={field.options.map(option)}
          selectedOptions={(draft as unknown[]).map(option)}
          placeholder="Choose"
          onChange={({ detail }) =>
            onChange(detail.selectedOptions.map((each) => originalOf(field.options, each.value)))
          }
        />
      );
    case "reference":
      return (
        <ReferencePicker
          kind={field.kind}
          place={place}
          chosen={typeof draft === "string" ? [draft] : []}
          onChange={([id]) => onChange(id)}
          isOptional={field.optional}
        />
      );
    case "references":
      return <ReferencePicker kind={field.kind} place={place} chosen={draft as string[]} onChange={onChange} isMany />;
    case "dictionary":
      return (
        <PairsEditor pairs={(draft as Record<string, string> | undefined) ?? {}} noun="entry" onChange={onChange} />
      );
    default:
      return null;
  }
}

function TextInput({ field, draft, onChange }: Of<"text">) {
  const value = typeof draft === "string" ? draft : "";
  const change = (text: string) => onChange(text === "" ? undefined : text);
  if (field.suggestions.length) {
    return (
      <Autosuggest
        value={value}
        options={field.suggestions.map((each) => ({ value: each }))}
        enteredTextLabel={(text) => `Use: ${text}`}
        onChange={({ detail }) => change(detail.value)}
      />
    );
  }
  if (field.long && !field.secret) {
    return <Textarea value={value} rows={6} spellcheck={false} onChange={({ detail }) => change(detail.value)} />;
  }
  return (
    <Input
      type={field.secret ? "password" : "text"}
      autoComplete={field.secret ? "new-password" : false}
      spellcheck={false}
      value={value}
      onChange={({ detail }) => change(detail.value)}
    />
  );
}

/** What is no number stays as it was typed, and the API says what it thinks of it. */
function NumberInput({ field, draft, onChange }: Of<"number">) {
  const read = (text: string) => {
    if (text === "") return undefined;
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  };
  return (
    <Input
      type="number"
      inputMode={field.whole ? "numeric" : "decimal"}
      value={typeof draft === "number" || typeof draft === "string" ? String(draft) : ""}
      onChange={({ detail }) => onChange(read(detail.value))}
    />
  );
}

const NONE = "";

function ChoiceInput({ field, draft, onChange }: Of<"choice">) {
  const none = { value: NONE, label: "–" };
  const options = [...(field.optional && field.preset === undefined ? [none] : []), ...field.options.map(option)];
  return (
    <Select
      options={options}
      selectedOption={draft === undefined ? null : option(draft)}
      placeholder="Choose"
      onChange={({ detail }) => onChange(originalOf(field.options, detail.selectedOption.value))}
    />
  );
}

function option(value: unknown) {
  return { value: String(value), label: titleOf(String(value)) };
}

function originalOf(options: unknown[], text: string | undefined): unknown {
  return options.find((each) => String(each) === text);
}

function GroupInput({ field, draft, pointer, onChange, ...rest }: Of<"group">) {
  const values = isRecord(draft) ? draft : {};
  return (
    <fieldset className="group">
      <legend>
        {field.title} {field.optional && <i>(optional)</i>}
      </legend>
      <SpaceBetween size="m">
        {field.description && <Box color="text-body-secondary">{field.description}</Box>}
        <GroupFields field={field} draft={values} pointer={pointer} onChange={onChange} {...rest} />
      </SpaceBetween>
    </fieldset>
  );
}

/** A group's fields, without a frame around them. */
export function GroupFields({ field, draft, pointer, onChange, ...rest }: Of<"group">) {
  const values = isRecord(draft) ? draft : {};
  return (
    <SpaceBetween size="l">
      {Object.entries(field.fields).map(([name, each]) => (
        <FieldInput
          key={name}
          {...rest}
          field={each}
          draft={values[name]}
          pointer={`${pointer}/${name}`}
          onChange={(next) => onChange({ ...values, [name]: next })}
        />
      ))}
    </SpaceBetween>
  );
}

function ListInput({ field, draft, pointer, onChange, ...rest }: Of<"list">) {
  const drafts = (draft as unknown[] | undefined) ?? [];
  const noun = singular(field.title);
  const set = (index: number, next: unknown) => onChange(drafts.map((each, at) => (at === index ? next : each)));
  const isFull = field.most !== undefined && drafts.length >= field.most;
  return (
    <fieldset className="group">
      <legend>
        {field.title} {field.optional && <i>(optional)</i>}
      </legend>
      <SpaceBetween size="m">
        {field.description && <Box color="text-body-secondary">{field.description}</Box>}
        {rest.sentences.has(pointer) && <Box color="text-status-error">{rest.sentences.get(pointer)}</Box>}
        {drafts.map((each, index) => (
          <div key={index} className="entry">
            <div className="entry-fields">
              <Entry
                {...rest}
                field={field.item}
                noun={`${noun} ${index + 1}`}
                draft={each}
                pointer={`${pointer}/${index}`}
                onChange={(next) => set(index, next)}
              />
            </div>
            <Button
              formAction="none"
              iconName="remove"
              variant="icon"
              ariaLabel={`Remove ${inSentence(noun)} ${index + 1}`}
              onClick={() => onChange(drafts.filter((_, at) => at !== index))}
            />
          </div>
        ))}
        <Button
          formAction="none"
          iconName="add-plus"
          disabled={isFull}
          onClick={() => onChange([...drafts, draftOf(field.item)])}
        >
          Add {inSentence(noun)}
        </Button>
      </SpaceBetween>
    </fieldset>
  );
}

/** An entry of a list: its fields beside each other where there is room. */
function Entry({ field, noun, draft, pointer, onChange, ...rest }: FieldProps & { noun: string }) {
  if (field.is !== "group") {
    return (
      <FieldInput
        {...rest}
        field={{ ...field, title: noun, description: "" }}
        draft={draft}
        pointer={pointer}
        onChange={onChange}
      />
    );
  }
  const values = isRecord(draft) ? draft : {};
  return (
    <div className="row" role="group" aria-label={noun}>
      {Object.entries(field.fields).map(([name, each]) => (
        <FieldInput
          key={name}
          {...rest}
          field={each}
          draft={values[name]}
          pointer={`${pointer}/${name}`}
          onChange={(next) => onChange({ ...values, [name]: next })}
        />
      ))}
    </div>
  );
}

function singular(title: string): string {
  return title.replace(/ies$/, "y").replace(/s$/, "");
}

function UnionInput({ field, draft, pointer, onChange, ...rest }: Of<"union">) {
  const { variant, value } = (draft as UnionDraft | undefined) ?? { variant: -1, value: undefined };
  const chosen = field.variants[variant];
  const options = field.variants.map(({ title }, index) => ({ value: String(index), label: title }));
  const choose = (index: number) => {
    const next = field.variants[index];
    onChange(next ? { variant: index, value: draftOf(next.field) } : undefined);
  };
  return (
    <fieldset className="group">
      <legend>
        {field.title} {field.optional && <i>(optional)</i>}
      </legend>
      <SpaceBetween size="m">
        <FormField label="Which" description={field.description} errorText={rest.sentences.get(pointer)}>
          <Select
            options={field.optional ? [{ value: "-1", label: "–" }, ...options] : options}
            selectedOption={options[variant] ?? null}
            placeholder="Choose"
            onChange={({ detail }) => choose(Number(detail.selectedOption.value))}
          />
        </FormField>
        {chosen && (
          <FieldInput
            {...rest}
            field={chosen.field}
            draft={value}
            pointer={pointer}
            onChange={(next) => onChange({ variant, value: next })}
          />
        )}
      </SpaceBetween>
    </fieldset>
  );
}
