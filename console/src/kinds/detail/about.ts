/** What each tab of a detail page is given. */

import type { Kind, Resource } from "../../api/catalog";
import type { Place } from "../../api/place";

export interface About {
  kind: Kind;
  place: Place;
  item: Resource;
}
