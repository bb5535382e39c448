import type { Endpoint } from "./replay/shadowConnection";

/** `10.0.0.1:80` or `[fd00::1]:80`. */
export function endpointKey({ address, port }: Endpoint): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
