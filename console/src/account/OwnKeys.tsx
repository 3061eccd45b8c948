/** One's own API keys. */

import { KeysPanel } from "../keys/KeysPanel";

export function OwnKeys() {
  return (
    <KeysPanel
      path="/api/common/v1/me/api-keys"
      queryKey={["me", "api-keys"]}
      description="A program that has one acts as you, within its scopes. For what does not depend on you, use a service account of the organization."
      everything="All that you may"
      mayMake
      mayRevoke
    />
  );
}
