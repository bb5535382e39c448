import { unitNames, units } from "./units";

/** What an instance's first boot needs to know; the rest is in the files that it fetches. */
export interface UserDataSettings {
  region: string;
  /** Bucket and key of the archive, and the digest of what is in it. */
  bucket: string;
  archiveKey: string;
  archiveSha256: string;
  /** Key and digest of the file that says what this mirror's gateways do. */
  bootKey: string;
  bootSha256: string;
  /** Id and address of the zone's standing interface; left out where it is not attached. */
  standingInterfaceId?: string;
  standingAddress?: string;
  /** Ranges of the clones: reached through the standing interface. */
  shadowCidrs: string[];
  /** Ranges of load balancer, gateways and endpoints: reached as usual. */
  applianceCidrs: string[];
}

/** Longest user data that AWS takes, before encoding. */
export const longestUserData = 16_384;

/**
 * The script of an instance's first boot on Amazon Linux 2023, as root. It needs the AWS command line, curl and systemd,
 * which the standard image has. Whatever fails ends it: the health check then never passes and the instance is replaced.
 */
export function userData(settings: UserDataSettings): string {
  const { standingInterfaceId = "", standingAddress = "" } = settings;
  return `#!/bin/bash
set -euo pipefail
trap 'echo "shadownet: the boot failed at line $LINENO" >&2' ERR
export AWS_DEFAULT_REGION=${quoted(settings.region)} AWS_PAGER="" PATH="$PATH:/usr/local/bin:/usr/sbin"
bucket=${quoted(settings.bucket)}
standing=${quoted(standingInterfaceId)}
standing_mac=""
standing_subnet=""

retry() {
  local attempt
  for attempt in $(seq 1 120); do
    if "$@"; then return 0; fi
    echo "shadownet: attempt $attempt of $1 failed" >&2
    sleep 5
  done
  return 1
}

metadata() {
  local token
  token=$(curl -sSf --max-time 5 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 300" http://169.254.169.254/latest/api/token) || return 1
  curl -sSf --max-time 5 -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"
}

fetch() {
  aws s3api get-object --bucket "$bucket" --key "$1" "$2" > /dev/null
}

interface() {
  aws ec2 describe-network-interfaces --network-interface-ids "$standing" --query "NetworkInterfaces[0].$1" --output text
}

attach() {
  if [ "$(interface Attachment.InstanceId)" != "$instance" ]; then
    aws ec2 attach-network-interface --network-interface-id "$standing" --instance-id "$instance" --device-index 1 > /dev/null
  fi
}

find_subnet() {
  standing_subnet=$(metadata "network/interfaces/macs/$standing_mac/subnet-ipv4-cidr-block")
}

install -d -m 0755 /etc/shadownet /opt/shadownet/release
work=$(mktemp -d)
retry fetch ${quoted(settings.archiveKey)} "$work/archive.tar.gz"
gzip -dc "$work/archive.tar.gz" > "$work/archive.tar"
echo "${settings.archiveSha256}  $work/archive.tar" | sha256sum -c -
tar -xf "$work/archive.tar" -C /opt/shadownet/release --no-same-owner
ln -sfn /opt/shadownet/release /opt/shadownet/current
retry fetch ${quoted(settings.bootKey)} "$work/boot.json"
echo "${settings.bootSha256}  $work/boot.json" | sha256sum -c -
install -m 0644 "$work/boot.json" /etc/shadownet/boot.json
rm -rf "$work"

retry metadata instance-id > /dev/null
instance=$(metadata instance-id)
primary=$(metadata local-ipv4)
if [ -n "$standing" ]; then
  retry attach
  standing_mac=$(interface MacAddress)
  retry find_subnet
fi

id shadownet > /dev/null 2>&1 || useradd --system --no-create-home --shell /sbin/nologin shadownet
cat > /etc/shadownet/network.env << END
PRIMARY_ADDRESS=$primary
STANDING_MAC=$standing_mac
STANDING_ADDRESS=${standingAddress}
STANDING_SUBNET=$standing_subnet
SHADOW_CIDRS="${settings.shadowCidrs.join(" ")}"
APPLIANCE_CIDRS="${settings.applianceCidrs.join(" ")}"
END
cat > /etc/shadownet/gateway.env << END
PRIMARY_ADDRESS=$primary
STANDING_ADDRESS=${standingAddress}
RUN_FOLDER=/run/shadownet
DATA_FOLDER=/var/lib/shadownet
END
${unitNames.map((name) => `cat > /etc/systemd/system/${name} << 'END'\n${units[name]}END`).join("\n")}
systemctl daemon-reload
systemctl enable --now ${unitNames.join(" ")}
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
