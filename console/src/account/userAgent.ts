/** What a User-Agent says, in words: "Firefox on Linux", "gp 0.1.0". It is only what the client claims. */

const OURS: Record<string, string> = { "groundplane-cli": "gp", "groundplane-sdk": "Python SDK" };

/** The first that fits is it: most browsers also name those that they descend from. */
const BROWSERS: [RegExp, string][] = [
  [/\bEdg(e|A|iOS)?\//, "Edge"],
  [/\b(OPR|Opera)\//, "Opera"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(HeadlessChrome|Chrome|Chromium|CriOS)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
];
const SYSTEMS: [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b|\bX11\b/, "Linux"],
];
const LONGEST = 80;

export function programText(userAgent: string): string {
  const browser = named(BROWSERS, userAgent);
  const system = named(SYSTEMS, userAgent);
  if (browser) return system ? `${browser} on ${system}` : browser;
  const [, product, version] = /^([\w.-]+)\/([\w.+-]+)/.exec(userAgent) ?? [];
  if (product && version) return `${OURS[product] ?? product} ${version}`.slice(0, LONGEST);
  return userAgent.trim().slice(0, LONGEST) || "Unknown";
}

function named(names: [RegExp, string][], userAgent: string): string | undefined {
  return names.find(([pattern]) => pattern.test(userAgent))?.[1];
}
