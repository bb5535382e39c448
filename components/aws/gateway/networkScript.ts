/**
 * Sets a gateway's network up, as root, at every boot. Reads `/etc/shadownet/network.env`.
 *
 * With a standing interface every address outside the shadow's ranges becomes local here, as in the lab: the gateway
 * connects from the clients' own addresses without any capability, and what the shadow answers to them comes back. What
 * must stay reachable is said before: AWS's link-local services, and the appliances' range with load balancer and
 * endpoints. The store of archives is not, once this has run.
 */
export const networkScript = `#!/bin/bash
set -euo pipefail
# shellcheck source=/dev/null
. "\${SHADOWNET_NETWORK:-/etc/shadownet/network.env}"

settings() {
  sysctl -q -e -w net.core.rmem_max=67108864
  sysctl -q -w net.ipv4.ip_unprivileged_port_start=0 net.ipv4.ip_forward=0 \\
    net.ipv4.ip_nonlocal_bind=1 net.ipv4.tcp_tw_reuse=1 net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.all.rp_filter=0
}

device_of() {
  local file
  for file in /sys/class/net/*/address; do
    if [ "$(cat "$file")" = "$1" ]; then basename "$(dirname "$file")"; fi
  done
}

wait_for_device() {
  local attempt found
  for attempt in $(seq 1 120); do
    found=$(device_of "$1")
    if [ -n "$found" ]; then
      echo "$found"
      return 0
    fi
    if [ "$attempt" = 120 ]; then break; fi
    sleep 1
  done
  echo "no interface has the address $1" >&2
  return 1
}

rule() {
  while ip -4 rule del pref "$1" to "$2" 2>/dev/null; do :; done
  ip -4 rule add pref "$1" to "$2" lookup "$3"
}

settings
if [ -z "\${STANDING_MAC:-}" ]; then exit 0; fi
device=$(wait_for_device "$STANDING_MAC")
network=\${STANDING_SUBNET%/*}
router=\${network%.*}.$((\${network##*.} + 1))
ip address replace "$STANDING_ADDRESS/\${STANDING_SUBNET#*/}" dev "$device" noprefixroute
ip link set dev "$device" up
sysctl -q -w "net.ipv4.conf.$device.rp_filter=0"
# A router that counts as local, as after this script's last run, is refused.
ip -4 route del local default dev lo table local 2>/dev/null || true
ip -4 route replace default via "$router" dev "$device" src "$STANDING_ADDRESS" onlink table 200
for address in "$PRIMARY_ADDRESS" "$STANDING_ADDRESS" 127.0.0.0/8; do rule 300 "$address" local; done
rule 400 169.254.0.0/16 main
for range in $APPLIANCE_CIDRS; do rule 450 "$range" main; done
for range in $SHADOW_CIDRS; do rule 500 "$range" 200; done
while ip -4 rule del pref 1000 2>/dev/null; do :; done
ip -4 rule add pref 1000 lookup local
ip -4 route replace local default dev lo table local
while ip -4 rule del pref 0 2>/dev/null; do :; done
`;
