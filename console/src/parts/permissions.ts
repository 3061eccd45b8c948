/** What can be chosen of permissions: each service as a whole, and each of its own. */

export interface PermissionGroup {
  label: string;
  options: { value: string; label: string; description?: string }[];
}

export function permissionOptions(permissions: readonly string[]): PermissionGroup[] {
  const everything = {
    label: "Everywhere",
    options: [
      { value: "*.read", label: "*.read", description: "Read anything" },
      { value: "*.list", label: "*.list", description: "List anything" },
    ],
  };
  const services = new Map<string, string[]>();
  for (const permission of permissions) {
    const service = permission.split(".")[0] ?? "";
    services.set(service, [...(services.get(service) ?? []), permission]);
  }
  const groups = [...services].map(([service, own]) => ({
    label: service,
    options: [
      { value: `${service}.*`, label: `${service}.*`, description: "All of it" },
      ...own.map((value) => ({ value, label: value })),
    ],
  }));
  return permissions.length ? [everything, ...groups] : [];
}
