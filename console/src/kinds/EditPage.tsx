/** The form by which a resource of any kind is changed. Only what was changed is sent. */

import { useNavigate, useParams } from "react-router";

import { type Resource, apiPath, kindPath } from "../api/catalog";
import { Splash } from "../login/Entrance";
import { Refusal } from "../parts/Refusal";
import { Allowed } from "../shell/Allowed";
import NotFound from "../shell/NotFound";
import { useHeading } from "../shell/heading";
import { type Order, carryOut } from "./change";
import { KindForm, type Wish } from "./form/KindForm";
import { useItem } from "./item";
import { changeOf, draftOf, equal, fieldOf } from "./schema";
import { type Here, useHere } from "./useKind";
import { inSentence } from "../parts/words";

export default function EditPage() {
  const here = useHere();
  const { reference = "" } = useParams();
  if (!here) return <NotFound />;
  return (
    <Allowed place={here.place} permission={here.kind.permissions["update"]}>
      <Fetched {...here} reference={reference} />
    </Allowed>
  );
}

function Fetched({ reference, ...here }: Here & { reference: string }) {
  const query = useItem(here.kind, here.place, reference);
  const item = query.data;
  useHeading({ title: `Edit ${item?.name ?? reference}`, trail: trailOf(here, item) });
  if (item) return <Edit {...here} item={item} />;
  return query.error ? <Refusal error={query.error} onRetry={() => void query.refetch()} /> : <Splash />;
}

function trailOf({ kind, place }: Here, item: Resource | undefined) {
  const list = { text: kind.title_plural, href: kindPath(kind, place) };
  return item ? [list, { text: item.name, href: kindPath(kind, place, item.id) }] : [list];
}

function Edit({ kind, place, item }: Here & { item: Resource }) {
  const navigate = useNavigate();
  const field = kind.update && fieldOf(kind.update);
  const before = field ? draftOf(field, item.spec) : undefined;
  const back = () => void navigate(kindPath(kind, place, item.id));
  const orderOf = (wish: Wish): Order => {
    const spec = field ? changeOf(field, before, wish.spec) : undefined;
    return {
      method: "PATCH",
      path: apiPath(kind, place, item.id),
      body: {
        ...(wish.name === item.name ? {} : { name: wish.name }),
        ...(equal(wish.labels, item.labels) ? {} : { labels: wish.labels }),
        ...(spec === undefined ? {} : { spec }),
      },
    };
  };
  const submit = async (wish: Wish) => {
    const order = orderOf(wish);
    if (Object.keys(order.body as object).length)
      await carryOut(order, `Change ${inSentence(kind.title)} ${item.name}`, kind, place);
    back();
  };
  return (
    <KindForm
      kind={kind}
      place={place}
      title={`Edit ${item.name}`}
      verb="update"
      field={field}
      initial={{ name: item.name, labels: item.labels, spec: before }}
      check={(wish) => (wish.name ? new Map<string, string>() : new Map([["/name", "A name is needed."]]))}
      orderOf={orderOf}
      onSubmit={submit}
      onCancel={back}
    />
  );
}
