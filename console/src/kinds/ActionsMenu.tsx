/** What can be done to one resource or many: change, the kind's own verbs, delete. Only what one may do is there. */

import ButtonDropdown, { type ButtonDropdownProps } from "@cloudscape-design/components/button-dropdown";
import { useState } from "react";
import { useNavigate } from "react-router";

import { type Kind, type Resource, kindPath } from "../api/catalog";
import type { Place } from "../api/place";
import { flash } from "../shell/flashes";
import { BulkDialog } from "./BulkDialog";
import { action, carryOut } from "./change";
import { titleOf } from "./schema";
import { inSentence } from "../parts/words";

interface Props {
  kind: Kind;
  place: Place;
  items: Resource[];
  can: (verb: string) => boolean;
  onDeleted?: () => void;
}

const DELETE = "delete";
const EDIT = "edit";

export function ActionsMenu({ kind, place, items, can, onDeleted }: Props) {
  const [pending, setPending] = useState<{ verb: string; items: Resource[] } | null>(null);
  const navigate = useNavigate();
  const [one] = items;
  const menu = menuOf(kind, items.length, can);
  if (!menu.length) return null;
  const act = (verb: string) => {
    if (verb === EDIT && one) void navigate(kindPath(kind, place, one.id, "edit"));
    else if (verb === DELETE || items.length > 1) setPending({ verb, items });
    else if (one) {
      const what = `${titleOf(verb)} ${inSentence(kind.title)} ${one.name}`;
      carryOut(action(kind, place, one, verb), what, kind, place).catch(flash.refused);
    }
  };
  return (
    <>
      <ButtonDropdown items={menu} disabled={!items.length} onItemClick={({ detail }) => act(detail.id)}>
        Actions
      </ButtonDropdown>
      {pending && (
        <BulkDialog
          kind={kind}
          place={place}
          {...pending}
          onClose={() => setPending(null)}
          onDeleted={onDeleted ?? (() => undefined)}
        />
      )}
    </>
  );
}

function menuOf(kind: Kind, count: number, can: (verb: string) => boolean): ButtonDropdownProps.ItemOrGroup[] {
  const edit = { id: EDIT, text: "Edit", disabled: count !== 1, disabledReason: "Choose one to edit it." };
  const verbs = kind.actions
    .filter(({ verb }) => can(verb))
    .map(({ verb, summary }) => ({ id: verb, text: titleOf(verb), description: summary }));
  return [
    ...verbs.map(({ id, text }) => ({ id, text })),
    ...(can("update") ? [edit] : []),
    ...(can("delete") ? [{ id: DELETE, text: "Delete" }] : []),
  ];
}
