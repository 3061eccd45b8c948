/** The form by which a resource of any kind is made. */

import { useNavigate } from "react-router";

import { apiPath, kindPath } from "../api/catalog";
import { keys, queries } from "../api/queries";
import { Allowed } from "../shell/Allowed";
import NotFound from "../shell/NotFound";
import { useHeading } from "../shell/heading";
import { type Order, carryOut } from "./change";
import { KindForm, type Wish } from "./form/KindForm";
import { draftOf, fieldOf, missing, requestOf } from "./schema";
import { type Here, useHere } from "./useKind";
import { inSentence } from "../parts/words";

export default function CreatePage() {
  const here = useHere();
  if (!here?.kind.create) return <NotFound />;
  return (
    <Allowed place={here.place} permission={here.kind.permissions["create"]}>
      <Create {...here} />
    </Allowed>
  );
}

function Create({ kind, place }: Here) {
  const navigate = useNavigate();
  const title = `Create ${inSentence(kind.title)}`;
  useHeading({ title, trail: [{ text: kind.title_plural, href: kindPath(kind, place) }] });
  const field = fieldOf(kind.create ?? {});
  const orderOf = (wish: Wish): Order => ({
    method: "POST",
    path: apiPath(kind, place),
    body: {
      name: wish.name,
      ...(Object.keys(wish.labels).length ? { labels: wish.labels } : {}),
      spec: requestOf(field, wish.spec) ?? {},
      ...(wish.count === undefined ? {} : { count: wish.count }),
    },
  });
  const submit = async (wish: Wish) => {
    const done = await carryOut(orderOf(wish), `${title} ${wish.name}`, kind, place);
    if (kind.name === "project" || kind.name === "organization")
      await queries.invalidateQueries({ queryKey: keys.projects });
    void navigate("id" in done ? kindPath(kind, place, done.id) : kindPath(kind, place));
  };
  return (
    <KindForm
      kind={kind}
      place={place}
      title={title}
      verb="create"
      field={field}
      initial={{ name: "", labels: {}, spec: draftOf(field) }}
      canBeMany={kind.namespace === "tenant"}
      check={(wish) => lacking(wish, missing(field, wish.spec, "/spec"))}
      orderOf={orderOf}
      onSubmit={submit}
      onCancel={() => void navigate(kindPath(kind, place))}
    />
  );
}

function lacking(wish: Wish, found: Map<string, string>): Map<string, string> {
  return wish.name ? found : new Map([["/name", "A name is needed."], ...found]);
}
